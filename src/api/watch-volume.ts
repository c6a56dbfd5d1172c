/**
 * Watches the volume for changes of state files and events. A hint is not proof of a change, and may be missing. Costs one
 * inotify watch for each directory; no listing for an event.
 */
import { watch as watchNatively } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../engine/ports.ts';
import type { Watch } from '../volume/cycle-loop.ts';

/**
 * Larger directories are watched by Node's `fs.watch`, which does not follow a directory that is replaced. chokidar does,
 * but lists the directory at its start, and calls stat for each entry (1,000: 15 ms of processor time).
 */
const MAX_CHOKIDAR_ENTRIES = 1000;

type Hint = Parameters<Watch>[0];
type Close = () => Promise<void>;

interface InstancePlace {
  readonly directory: string;
  /** Precedes the names of its files in hints. */
  readonly prefix: string;
}

interface WatchSinks {
  readonly hint: Hint;
  readonly complain: (error: unknown) => void;
}

export function watchVolume(
  root: string,
  log: Log,
  maxChokidarEntries: number = MAX_CHOKIDAR_ENTRIES,
): Watch {
  return async (hint) => {
    const complain = (error: unknown): void =>
      log.warn({ err: error }, 'cannot watch the volume; polling instead');
    const watchers: Close[] = [];
    for (const prefix of ['', 'events/']) {
      try {
        const place = { directory: join(root, prefix), prefix };
        const isLarge = await hasMoreEntries(place.directory, maxChokidarEntries);
        const watch = isLarge ? withNode : withChokidar;
        watchers.push(await watch(place, { hint, complain }));
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
 * (CHOKIDAR_USEPOLLING), a hint has no name.
 */
async function withChokidar(
  { directory, prefix }: InstancePlace,
  { hint, complain }: WatchSinks,
): Promise<Close> {
  const { watch } = await import('chokidar');
  const path = directory.replace(/(?<=.)\/+$/, '');
  const watcher = watch(path, {
    depth: 0,
    ignored: (entry) => entry !== path,
    ignoreInitial: true,
    persistent: false,
  });
  watcher.on('raw', (_event, name: unknown) =>
    hint(typeof name === 'string' && !name.includes('/') ? prefix + name : undefined),
  );
  watcher.on('error', complain);
  // Changes before this were not reported.
  watcher.on('ready', () => hint());
  return () => watcher.close();
}

async function withNode(
  { directory, prefix }: InstancePlace,
  { hint, complain }: WatchSinks,
): Promise<Close> {
  const watcher = watchNatively(directory, { persistent: false }, (_event, name) =>
    hint(name === null ? undefined : prefix + name),
  );
  watcher.on('error', complain);
  return async () => watcher.close();
}

/** Stops reading at the limit. */
async function hasMoreEntries(path: string, limit: number): Promise<boolean> {
  await using directory = await opendir(path, { bufferSize: 1024 });
  for (let entries = 0; (await directory.read()) !== null; entries += 1) {
    if (entries >= limit) return true;
  }
  return false;
}
