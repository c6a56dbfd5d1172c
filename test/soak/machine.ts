/** Chains that never stop: each step counts one further, and takes a while. */
import { done, machine, next, type Machine } from '../../src/index.ts';

/** Milliseconds, at random between the two: one to three steps a cycle. */
const SHORTEST = 200;
const LONGEST = 600;

const endless: Machine = machine({
  name: 'endless',
  activities: {
    endless: {
      // A state may be lost any number of times: what kills its workers is not its fault.
      retry: { maximumAttempts: 100_000, maximumInterval: '1s' },
      tick: async ({ payload, pause, state }) => {
        const step: unknown = payload?.step;
        if (typeof step !== 'number') return done('its payload has no step');
        await pause(SHORTEST + Math.random() * (LONGEST - SHORTEST));
        return next(state, { step: step + 1 });
      },
    },
  },
});

export default endless;
