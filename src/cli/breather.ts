/** Loops that can be stopped: file calls are synchronous, and signals come only between two turns of the event loop. */
import { setImmediate } from 'node:timers/promises';

const ROUNDS_PER_TURN = 100;

/** To be awaited in each round of a loop: lets signals come in now and then, and says whether to go on. */
export function breather(stop: AbortSignal): () => Promise<boolean> {
  let rounds = 0;
  return async () => {
    if (++rounds % ROUNDS_PER_TURN === 0) await setImmediate();
    return !stop.aborted;
  };
}
