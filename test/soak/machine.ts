/**
 * A machine whose chains never end: each step increments a counter after a pause. Every 50 ticks the process prints
 * its heap size after a full collection, since V8 returns memory to the system late.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { done, machine, next, type Machine } from '../../src/index.ts';

/** Random pauses: one to three steps per cycle. */
const MIN_PAUSE_MS = 200;
const MAX_PAUSE_MS = 600;
const TICKS_PER_COLLECTION = 50;
const MEGABYTE = 2 ** 20;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
let ticks = 0;

const endless: Machine = machine({
  name: 'endless',
  activities: {
    endless: {
      // A state may lose its worker any number of times.
      retry: { maximumAttempts: 100_000, maximumInterval: '1s' },
      tick: async ({ payload, pause, print, state }) => {
        const step: unknown = payload?.step;
        if (typeof step !== 'number') return done('its payload has no step');
        ticks += 1;
        if (ticks % TICKS_PER_COLLECTION === 0) {
          collect();
          print(`heap ${(process.memoryUsage().heapUsed / MEGABYTE).toFixed(1)}`);
        }
        await pause(MIN_PAUSE_MS + Math.random() * (MAX_PAUSE_MS - MIN_PAUSE_MS));
        return next(state, { step: step + 1 });
      },
    },
  },
});

export default endless;
