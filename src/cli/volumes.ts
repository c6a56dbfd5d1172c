/**
 * The volumes of a command, as `--dir` names them: opened without sessions or claims, visited in turn, and read as one (sums of
 * their counts, their journals in the order of time).
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isNetworkFileSystem, realClock } from '../api/node-ports.ts';
import type { ClientApi } from '../engine/engine.ts';
import { isDroppedName } from '../machine/dropped.ts';
import { UserError } from '../machine/errors.ts';
import { parseEventName } from '../machine/event.ts';
import { isStateName } from '../machine/name.ts';
import { listOrNone } from '../volume/atomic-files.ts';
import type { Census } from '../volume/overview.ts';
import { volumeClient } from '../volume/client.ts';
import { entriesInOrder } from '../volume/history.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume, type VolumeFile } from '../volume/open.ts';
import type { JournalEntry } from '../volume/operations.ts';
import { EXIT, type Io } from './command.ts';
import type { Settings } from './options.ts';

const PATTERN = /[*?[{]/;

/**
 * Absolute paths; a directory need not exist. Throws `usage` for none at all and for a pattern, and `same-volume` for a
 * directory that is given twice, under any name.
 */
export function directoriesOf({ dir }: Pick<Settings, 'dir'>): string[] {
  if (dir.length === 0) {
    throw new UserError('usage', 'expected a volume, got none; name it with --dir');
  }
  const seen = new Map<string, string>();
  for (const path of dir) {
    refusePattern(path);
    const directory = resolve(path);
    const identity = identityOf(directory);
    const other = seen.get(identity);
    if (other !== undefined) {
      const which =
        other === directory
          ? `${directory} is given twice`
          : `${other} and ${directory} are one directory`;
      throw new UserError('same-volume', `${which}; give each volume once`, { directory, other });
    }
    seen.set(identity, directory);
  }
  return [...seen.values()];
}

/** The only volume of `what`, which takes one. Throws `several-volumes`, and as `directoriesOf`. */
export function directoryOf(settings: Pick<Settings, 'dir'>, what: string): string {
  const [directory, ...others] = directoriesOf(settings);
  if (others.length === 0) return directory!;
  throw new UserError(
    'several-volumes',
    `${what} takes one volume, not ${others.length + 1}; run it once for each, with one --dir`,
    { directories: [directory!, ...others] },
  );
}

/** A directory may have such a name: it is one if it exists. */
function refusePattern(path: string): void {
  if (!PATTERN.test(path) || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    return;
  }
  const message = `cannot use --dir ${path}: there is no such directory, and patterns are not expanded; repeat --dir for each volume`;
  throw new UserError('usage', message, { path });
}

/** The same for all names of one directory. */
function identityOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? path : `${stats.dev} ${stats.ino}`;
}

export interface OpenedVolume {
  readonly files: NodeFiles;
  readonly layout: Layout;
  /** Undefined before the first worker. */
  readonly volume: VolumeFile | undefined;
  /** Other hosts can change it, and their clocks may stamp its files. */
  readonly isNetwork: boolean;
  readonly client: ClientApi;
}

/** Throws `no-volume`, `bad-volume`, `unusable-volume`. */
export async function openExisting(directory: string): Promise<OpenedVolume> {
  const isNetwork = isNetworkFileSystem(directory);
  const files = new NodeFiles({ network: isNetwork });
  const layout = new Layout(directory);
  const volume = await readVolume(files, layout);
  const client = volumeClient({
    files,
    layout,
    clock: realClock,
    ownClock: !isNetwork,
    leaseMs: volume?.lease,
  });
  return { files, layout, volume, isNetwork, client };
}

/**
 * Throws `no-volume` for a directory that no worker has used and to which nothing was submitted or sent. For commands that
 * would otherwise report nothing left to do in a wrong directory.
 */
export async function requireVolume({ files, layout, volume }: OpenedVolume): Promise<void> {
  if (volume !== undefined || (await files.stat(layout.home)) !== undefined) return;
  for await (const name of files.names(layout.entries)) if (isStateName(name)) return;
  const events = await listOrNone(files, layout.events);
  if (events.some((name) => parseEventName(name) !== undefined || isDroppedName(name))) return;
  throw new UserError(
    'no-volume',
    `${layout.root} is not a volume: no worker has used it, and it has no state files; name the volume with --dir`,
    { directory: layout.root },
  );
}

/** All volumes of `--dir`. Throws as `directoriesOf` and `openExisting`. */
export function openAll(settings: Settings): Promise<OpenedVolume[]> {
  return Promise.all(directoriesOf(settings).map(openExisting));
}

/**
 * Calls `act` for each volume in turn. Of several volumes, output is labelled with the directory, and a volume that cannot be
 * used is reported and skipped. Resolves to the largest exit status.
 */
export async function onEach(
  settings: Settings,
  io: Io,
  act: (opened: OpenedVolume, io: Io) => Promise<number>,
): Promise<number> {
  const directories = directoriesOf(settings);
  if (directories.length === 1) return act(await openExisting(directories[0]!), io);
  let status: number = EXIT.done;
  for (const directory of directories) {
    try {
      const ended = await act(await openExisting(directory), labelled(settings, io, directory));
      status = Math.max(status, ended);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      io.say(`${directory}: ${error.message}`);
      status = Math.max(status, EXIT.usage);
    }
  }
  return status;
}

/** Adds `dir` to each JSON object, or a heading to text. */
function labelled(settings: Settings, io: Io, dir: string): Io {
  let isHeaded = false;
  const head = (): void => {
    if (!isHeaded) io.print(`${dir}:`);
    isHeaded = true;
  };
  const print = (text: string): void => {
    if (settings.json) return io.print(withDirectory(dir, text));
    head();
    io.print(text);
  };
  const data = (text: string): void => {
    head();
    io.data(text);
  };
  return { ...io, print, data };
}

export function withDirectory(dir: string, json: string): string {
  return JSON.stringify({ dir, ...(JSON.parse(json) as object) });
}

const BATCH_ENTRIES = 1000;

const COUNTS = [
  'available',
  'delayed',
  'inProgress',
  'waiting',
  'events',
  'done',
  'archived',
  'failed',
] as const;
const NAMES = ['available', 'waiting', 'inProgress', 'failed'] as const;

export function sumOf(censuses: readonly Census[]): Census {
  const sums = COUNTS.map((key) => [key, censuses.reduce((sum, one) => sum + one[key], 0)]);
  const names = NAMES.map((key) => [key, censuses.flatMap((one) => one.names[key])]);
  return {
    ...(Object.fromEntries(sums) as Pick<Census, (typeof COUNTS)[number]>),
    isArchiveSampled: censuses.some(({ isArchiveSampled }) => isArchiveSampled),
    names: Object.fromEntries(names) as Census['names'],
  };
}

/** `dir`: the entry's volume. */
export type PlacedEntry = JournalEntry & { readonly dir: string };

interface Source {
  readonly dir: string;
  readonly rest: AsyncIterator<JournalEntry[], void>;
  entries: readonly JournalEntry[];
  next: number;
}

/** `from`: by volume, bytes of each journal to skip. Otherwise as `entriesInOrder`. */
export async function* entriesOfAll(
  volumes: readonly Pick<OpenedVolume, 'files' | 'layout'>[],
  from: readonly ReadonlyMap<string, number>[] = [],
): AsyncGenerator<PlacedEntry[], void> {
  const sources: Source[] = [];
  for (const [index, { files, layout }] of volumes.entries()) {
    const rest = entriesInOrder(files, layout, from[index]);
    const source: Source = { dir: layout.root, rest, entries: [], next: 0 };
    if (await hasMore(source)) sources.push(source);
  }
  let merged: PlacedEntry[] = [];
  while (sources.length > 0) {
    const first = sources.reduce((best, one) => (startOf(one) < startOf(best) ? one : best));
    merged.push({ ...first.entries[first.next]!, dir: first.dir });
    first.next += 1;
    if (!(await hasMore(first))) sources.splice(sources.indexOf(first), 1);
    if (merged.length < BATCH_ENTRIES) continue;
    yield merged;
    merged = [];
  }
  yield merged;
}

const startOf = ({ entries, next }: Source): string => entries[next]!.started;

async function hasMore(source: Source): Promise<boolean> {
  while (source.next === source.entries.length) {
    const { value } = await source.rest.next();
    if (value === undefined) return false;
    source.entries = value;
    source.next = 0;
  }
  return true;
}
