/** The ports of a real process: clock, random numbers, file system type, file events. */
import { readFileSync, readlinkSync, watch as watchNatively } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { nodeHost } from '../doctor/node-host.ts';
import type { Clock, Random, Log } from '../engine/ports.ts';
import type { Watch } from '../volume/cycle-loop.ts';
import { Layout } from '../volume/layout.ts';

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

/**
 * Directories with more entries, or in which more has happened, are watched by Node's `fs.watch`, which does not follow a
 * directory that is replaced. chokidar does, but lists the directory at its start, calls stat for each entry (1,000: 15 ms of
 * processor time), and takes 10 µs for each event.
 */
const MAX_CHOKIDAR_ENTRIES = 1000;

type Hint = Parameters<Watch>[0];
type Close = () => Promise<void>;

interface WatchedDirectory {
  readonly directory: string;
  /** Precedes the names of its files in hints. */
  readonly prefix: string;
}

interface WatchSinks {
  readonly hint: Hint;
  readonly complain: (error: unknown) => void;
}

/**
 * Watches the volume for changes of state files and events, and for the marker of `pause`. A hint is not proof of a change,
 * and may be missing. Costs one inotify watch for each directory; no listing for an event.
 */
export function watchVolume(
  root: string,
  log: Log,
  maxChokidarEntries: number = MAX_CHOKIDAR_ENTRIES,
): Watch {
  return async (hint) => {
    const complain = (error: unknown): void =>
      log.warn({ err: error }, 'cannot watch the volume; polling instead');
    const watchers: Close[] = [];
    const sinks = { hint, complain };
    const watchState = async (prefix: string): Promise<Close> => {
      const place = { directory: join(root, prefix), prefix };
      const isLarge = await hasMoreEntries(place.directory, maxChokidarEntries);
      return isLarge ? withNode(place, sinks) : withChokidar(place, sinks, maxChokidarEntries);
    };
    const starts = [
      () => watchState(''),
      () => watchState('events/'),
      () => watchPaused(root, sinks),
    ];
    for (const start of starts) {
      try {
        watchers.push(await start());
      } catch (error) {
        // For example, the user's limit of inotify instances.
        complain(error);
      }
    }
    return async () => void (await Promise.all(watchers.map((close) => close())));
  };
}

/**
 * All entries are ignored, so that chokidar watches no file; names come from its `raw` events. When it polls
 * (CHOKIDAR_USEPOLLING), a hint has no name. After `maxEvents`, Node watches instead.
 */
async function withChokidar(
  place: WatchedDirectory,
  sinks: WatchSinks,
  maxEvents: number,
): Promise<Close> {
  const { watch } = await import('chokidar');
  const { hint, complain } = sinks;
  const path = place.directory.replace(/(?<=.)\/+$/, '');
  let events = 0;
  const watcher = watch(path, {
    depth: 0,
    ignored: (entry) => entry !== path,
    ignoreInitial: true,
    persistent: false,
  });
  let close: Close = () => watcher.close();
  const watchWithNode = (): void => {
    const closeChokidar = close;
    close = withNode(place, sinks);
    closeChokidar().catch(complain);
  };
  watcher.on('raw', (_event, name: unknown) => {
    hint(typeof name === 'string' && !name.includes('/') ? place.prefix + name : undefined);
    events += 1;
    if (events !== maxEvents) return;
    try {
      watchWithNode();
    } catch (error) {
      complain(error);
    }
  });
  watcher.on('error', complain);
  // Changes before this were not reported.
  watcher.on('ready', () => hint());
  return () => close();
}

function withNode({ directory, prefix }: WatchedDirectory, { hint, complain }: WatchSinks): Close {
  const watcher = watchNatively(directory, { persistent: false }, (_event, name) =>
    hint(name === null ? undefined : prefix + name),
  );
  watcher.on('error', complain);
  return async () => watcher.close();
}

/** Sessions that sleep while the volume is paused continue at once when the marker is removed. */
function watchPaused(root: string, { hint, complain }: WatchSinks): Close {
  const { home, paused } = new Layout(root);
  const tell = (path?: string): void => void (path === paused && hint(relative(root, path)));
  return withNode({ directory: home, prefix: `${home}/` }, { hint: tell, complain });
}

/** Stops reading at the limit. */
async function hasMoreEntries(path: string, limit: number): Promise<boolean> {
  await using directory = await opendir(path, { bufferSize: 1024 });
  for (let entries = 0; (await directory.read()) !== null; entries += 1) {
    if (entries >= limit) return true;
  }
  return false;
}
