/** Makes loops stoppable: file calls are synchronous, and signals arrive only between two turns of the event loop. */
import { setImmediate } from 'node:timers/promises';

const ROUNDS_PER_TURN = 100;

/** Returns a function to await in each round of a loop: it lets signals arrive, and resolves to false after `stop`. */
export function breather(stop: AbortSignal): () => Promise<boolean> {
  let rounds = 0;
  return async () => {
    if (++rounds % ROUNDS_PER_TURN === 0) await setImmediate();
    return !stop.aborted;
  };
}
