/** The real ports: this process's clock, chance and files. */
import { nodeHost } from '../doctor/node-host.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import type { Io } from './command.ts';

/** setTimeout holds 31 bits: 24.8 days. A longer sleep is several. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** Milliseconds. */
const MAX_READING_GAP_MS = 1;

/** Both clocks are read at one moment: whoever is stopped between the two readings reads them again. */
const MONOTONIC_ORIGIN_MS: number = (() => {
  for (;;) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const origin = before - performance.now();
    if (Number(process.hrtime.bigint()) / 1e6 - before < MAX_READING_GAP_MS) return origin;
  }
})();

export const realClock: Clock = {
  now: () => Date.now(),
  // The heartbeat's thread reads the same clock: `performance.now()` alone has an origin for each thread.
  monotonic: () => performance.now() + MONOTONIC_ORIGIN_MS,
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
        if (left <= MAX_TIMER_MS) return setTimeout(wake, left);
        left -= MAX_TIMER_MS;
        return setTimeout(() => (timer = goOn()), MAX_TIMER_MS);
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
