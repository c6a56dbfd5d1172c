/** Notes when it was begun, on the monotonic clock that all processes share. */
import { appendFileSync } from 'node:fs';
import { done, machine, type Machine } from '../../src/index.ts';

const stamp: Machine = machine({
  name: 'stamp',
  activities: {
    stamp: ({ payload }) => {
      const { id } = payload as { id: number };
      appendFileSync(process.env.BENCH_STAMPS!, `${id} ${process.hrtime.bigint()}\n`);
      return done();
    },
  },
});

export default stamp;
