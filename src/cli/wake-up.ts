/**
 * The volume's wake-up: hints that something among state files or events has changed, never the truth. It costs one inotify
 * watch for each directory, no stat of a state file, and no listing for an event.
 */
import { watch as watchNatively } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../engine/ports.ts';
import type { Watch } from '../volume/cycle-loop.ts';

/**
 * Entries that a directory may have for chokidar to watch it. It lists a directory once, at its start (100,000 entries: 4 s),
 * and then follows one that is replaced, which node's `fs.watch` does not.
 */
const MAX_CHOKIDAR_ENTRIES = 10_000;

type Hint = Parameters<Watch>[0];
type Close = () => Promise<void>;

interface Place {
  readonly directory: string;
  /** What stands before the names of its files. */
  readonly prefix: string;
}

interface Told {
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
      log.warn({ err: error }, 'cannot watch; looking now and then');
    const watchers: Close[] = [];
    for (const prefix of ['', 'events/']) {
      try {
        const place = { directory: join(root, prefix), prefix };
        const isLarge = await hasMoreEntries(place.directory, maxChokidarEntries);
        const watch = isLarge ? withNode : withChokidar;
        watchers.push(await watch(place, { hint, complain }));
      } catch (error) {
        // Say, the user's limit of inotify instances.
        complain(error);
      }
    }
    return async () => void (await Promise.all(watchers.map((close) => close())));
  };
}

/**
 * Everything is ignored, so that chokidar watches no file; the names are in its `raw` events. Where it polls
 * (CHOKIDAR_USEPOLLING), it knows that the directory has changed, and no name.
 */
async function withChokidar(
  { directory, prefix }: Place,
  { hint, complain }: Told,
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
  // What came before is not told.
  watcher.on('ready', () => hint());
  return () => watcher.close();
}

async function withNode({ directory, prefix }: Place, { hint, complain }: Told): Promise<Close> {
  const watcher = watchNatively(directory, { persistent: false }, (_event, name) =>
    hint(name === null ? undefined : prefix + name),
  );
  watcher.on('error', complain);
  return async () => watcher.close();
}

/** Reads no further than it has to. */
async function hasMoreEntries(path: string, limit: number): Promise<boolean> {
  await using directory = await opendir(path, { bufferSize: 1024 });
  for (let entries = 0; (await directory.read()) !== null; entries += 1) {
    if (entries >= limit) return true;
  }
  return false;
}
