/** The real ports: this process's clock, chance and files. */
import { nodeHost } from '../doctor/node-host.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import type { Io } from './command.ts';

/** setTimeout holds 31 bits: 24.8 days. A longer sleep is several. */
const LONGEST_SLEEP = 2 ** 31 - 1;
/** Milliseconds. */
const SAME_MOMENT = 1;

/** Both clocks are read at one moment: whoever is stopped between the two readings reads them again. */
const ORIGIN: number = (() => {
  for (;;) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const origin = before - performance.now();
    if (Number(process.hrtime.bigint()) / 1e6 - before < SAME_MOMENT) return origin;
  }
})();

export const realClock: Clock = {
  now: () => Date.now(),
  // The heartbeat's thread reads the same clock: `performance.now()` alone has an origin for each thread.
  monotonic: () => performance.now() + ORIGIN,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      let left = ms;
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const goOn = (): NodeJS.Timeout => {
        if (left <= LONGEST_SLEEP) return setTimeout(wake, left);
        left -= LONGEST_SLEEP;
        return setTimeout(() => (timer = goOn()), LONGEST_SLEEP);
      };
      let timer = goOn();
      signal?.addEventListener('abort', wake, { once: true });
    }),
};

export const realRandom: Random = Math.random;

/** Throws with the errno of statfs. */
export function isNetworkFileSystem(directory: string): boolean {
  return nodeHost.fileSystem(directory).network;
}

export function hostName(io: Pick<Io, 'environment'>, fallback: string): string {
  return io.environment['HOSTNAME'] || fallback;
}
