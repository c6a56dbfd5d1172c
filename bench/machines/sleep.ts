/** Waits for `milliseconds`, or 50. */
import { done, machine, type Machine } from '../../src/index.ts';
import { SLEEP } from '../model.ts';

const sleep: Machine = machine({
  name: 'sleep',
  activities: {
    sleep: async ({ payload, pause }) => {
      const { milliseconds = SLEEP } = payload as { milliseconds?: number };
      await pause(milliseconds);
      return done();
    },
  },
});

export default sleep;
