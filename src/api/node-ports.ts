/** The ports of a real process: clock, random numbers, file system type. */
import { nodeHost } from '../doctor/node-host.ts';
import type { Clock, Random } from '../engine/ports.ts';
import { readFileSync, readlinkSync } from 'node:fs';

/** Limit of setTimeout, 24.8 days: a longer sleep uses several timers. */
const MAX_TIMER_MS = 2 ** 31 - 1;
const MAX_READING_GAP_MS = 1;

/** Repeats until both clocks are read within 1 ms, in case the process is suspended in between. */
const MONOTONIC_ORIGIN_MS: number = (() => {
  for (;;) {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const origin = before - performance.now();
    if (Number(process.hrtime.bigint()) / 1e6 - before < MAX_READING_GAP_MS) return origin;
  }
})();

export const realClock: Clock = {
  now: () => Date.now(),
  // The heartbeat's thread must read the same clock; the origin of `performance.now()` differs by thread.
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

/** True also for a directory whose file system cannot be told: other hosts may change what is in it. */
export function isNetworkFileSystem(directory: string): boolean {
  try {
    return nodeHost.fileSystem(directory).network;
  } catch {
    return true;
  }
}

/** Index in `/proc/PID/stat`, after the command's name, of the start time in clock ticks since boot. */
const START_TIME_FIELD = 19;

/**
 * Boot, PID namespace, PID and start time. Distinguishes containers with the same host name, and reused PIDs. Undefined if
 * the system does not provide it, or the process does not exist in this namespace.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const namespace = readlinkSync('/proc/self/ns/pid');
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME_FIELD];
    return `${boot} ${namespace} ${pid} ${started}`;
  } catch {
    return undefined;
  }
}
