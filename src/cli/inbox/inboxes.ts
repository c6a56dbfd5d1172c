/** `--inbox`: checks and opens hot folders. */
import { randomUUID } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../../machine/errors.ts';
import { listOrNone } from '../../volume/atomic-files.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { submitState } from '../../volume/submit.ts';
import type { Log } from '../../engine/ports.ts';
import { directoryOf } from '../directories.ts';
import type { Settings } from '../options.ts';
import { isNetworkFileSystem, realClock } from '../../api/node-ports.ts';
import { HotFolder, type Submitter } from './inbox.ts';
import { InboxWatch } from './watch.ts';

/** Absolute paths. Throws `no-inbox`, `bad-inbox`. */
function inboxesOf(paths: readonly string[], volumes: readonly string[]): string[] {
  const real = new Map<string, string>();
  for (const path of paths) {
    const inbox = resolve(path);
    if (statSync(inbox, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new UserError(
        'no-inbox',
        `cannot watch ${path}: it is not a directory; make it, or mount it there`,
        { path },
      );
    }
    const place = realpathSync(inbox);
    if (real.has(place)) {
      throw new UserError(
        'bad-inbox',
        `cannot watch ${path}: ${real.get(place)} is the same directory; give each inbox once`,
        { path },
      );
    }
    real.set(place, inbox);
    for (const volume of volumes) refuseOverlap(path, place, volume);
  }
  return [...real.values()];
}

function refuseOverlap(path: string, place: string, volume: string): void {
  let root: string;
  try {
    root = realpathSync(volume);
  } catch {
    // It does not exist: opening the volume reports that.
    return;
  }
  const isInside = (inner: string, outer: string): boolean => `${inner}/`.startsWith(`${outer}/`);
  const inner = ['submitted', 'refused'].some((folder) => isInside(root, `${place}/${folder}`));
  if (!isInside(place, root) && !inner) return;
  const what = inner ? `the volume ${volume} is inside it` : `it is inside the volume ${volume}`;
  throw new UserError(
    'bad-inbox',
    `cannot watch ${path}: ${what}; an inbox is a directory of its own`,
    { path, volume },
  );
}

export interface Inboxes {
  /** Returns a function to call repeatedly: false if nothing is left to take, and nothing was taken since its last call. */
  moreToCome(): () => boolean;
  close(): Promise<void>;
}

/** Throws `usage`, `several-volumes`, `no-inbox`, `bad-inbox`. */
export function checkInboxes(
  { inbox, machine, each }: Pick<Settings, 'inbox' | 'machine' | 'each'>,
  volumes: readonly string[],
): void {
  if (inbox.length === 0 && (each || machine !== undefined)) {
    throw new UserError(
      'usage',
      'cannot use --machine and --each without --inbox: they apply to its files',
    );
  }
  refuseUnclear(machine, each);
  if (inbox.length > 0) directoryOf({ dir: [...volumes] }, '--inbox');
  inboxesOf(inbox, volumes);
}

/** Begins at once. `volumes`: one, unless `paths` is empty. Throws what `inboxesOf` does. */
export function openInboxes(
  paths: readonly string[],
  volumes: readonly string[],
  { machine, each }: Pick<Settings, 'machine' | 'each'>,
  log: Log,
): Inboxes {
  refuseUnclear(machine, each);
  const submitter = volumeSubmitter(volumes[0]!);
  const now = (): number => realClock.monotonic();
  const watches = inboxesOf(paths, volumes).map((directory) => {
    const inbox = new HotFolder(
      { directory, machine: each ? machine : undefined },
      { submitter, log, now },
    );
    const isNetwork = isNetworkFileSystem(directory);
    log.info({ inbox: directory, polling: isNetwork }, 'watching inbox');
    return new InboxWatch(inbox, each ? 'each' : 'states', isNetwork, { clock: realClock, log });
  });
  const taken = (): number => watches.reduce((sum, one) => sum + one.taken, 0);
  return {
    moreToCome: () => {
      let seen = 0;
      return () => {
        const before = seen;
        seen = taken();
        return seen !== before || watches.some(({ isEmpty }) => !isEmpty);
      };
    },
    close: async () => void (await Promise.all(watches.map((one) => one.close()))),
  };
}

/** Throws `usage`. */
function refuseUnclear(machine: string | undefined, each: boolean): void {
  if (each === (machine !== undefined)) {
    return;
  }
  const message = each
    ? '--each needs --machine: the machine of the instances'
    : '--machine needs --each here: any file in the inbox becomes an instance of it';
  throw new UserError('usage', message);
}

function volumeSubmitter(volume: string): Submitter {
  const files = new NodeFiles();
  const layout = new Layout(volume);
  return {
    submit: async (name, bytes) => {
      await submitState(files, layout, { name, bytes }, randomUUID());
      await files.sync(layout.root);
    },
    list: async () => new Set(await listOrNone(files, layout.entries)),
  };
}
