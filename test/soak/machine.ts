/**
 * Chains that never stop: each step counts one further, and takes a while. Now and then its process says what
 * it really holds, after a full collection: what it has taken from the system, V8 gives back late.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { done, machine, next, type Machine } from '../../src/index.ts';

/** Milliseconds, at random between the two: one to three steps a cycle. */
const SHORTEST = 200;
const LONGEST = 600;
const TICKS_PER_COLLECTION = 50;
const MEGABYTE = 2 ** 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
let ticks = 0;

const endless: Machine = machine({
  name: 'endless',
  activities: {
    endless: {
      // A state may be lost any number of times: what kills its workers is not its fault.
      retry: { maximumAttempts: 100_000, maximumInterval: '1s' },
      tick: async ({ payload, pause, print, state }) => {
        const step: unknown = payload?.step;
        if (typeof step !== 'number') return done('its payload has no step');
        ticks += 1;
        if (ticks % TICKS_PER_COLLECTION === 0) {
          collect();
          print(`heap ${(process.memoryUsage().heapUsed / MEGABYTE).toFixed(1)}`);
        }
        await pause(SHORTEST + Math.random() * (LONGEST - SHORTEST));
        return next(state, { step: step + 1 });
      },
    },
  },
});

export default endless;
