/** Does nothing. The first tick in each process reports its start. */
import { appendFileSync } from 'node:fs';
import { done, machine, type Machine } from '../../src/index.ts';

const file = process.env.BENCH_FIRST!;
let isFirst = true;

const noop: Machine = machine({
  name: 'noop',
  activities: {
    noop: () => {
      if (isFirst) appendFileSync(file, `${Date.now()}\n`);
      isFirst = false;
      return done();
    },
  },
});

export default noop;
