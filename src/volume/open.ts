/** Opens a directory as a volume. The first worker writes `.flockwork/volume.json`, which all workers must agree on. */
import { writeDuration } from '../machine/duration.ts';
import { UserError } from '../machine/errors.ts';
import { lazy } from '../machine/lazy.ts';
import { checkPhaseLengths, type PhaseLengths } from './phases/cycle.ts';
import { ensureDirectory, readText, writeAtomically, remove } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import { EVENTS, FLAGS, INTERNAL, type Layout } from './layout.ts';
import { z } from 'zod';

export interface OpenOptions {
  /** Set on the command line: must equal what the volume already uses. */
  readonly phases?: Partial<PhaseLengths>;
  readonly lease?: number;
  /** Written by the first worker for what is not set. */
  readonly defaults: { readonly phases: PhaseLengths; readonly lease: number };
  /** Random, for a volume that has no id yet. */
  readonly newId: () => string;
  readonly now: number;
}

/** The content of `volume.json`; undefined if no worker has ever opened this directory. Throws `no-volume`, `bad-volume`. */
export async function readVolume(files: Files, at: Layout): Promise<VolumeFile | undefined> {
  await requireDirectory(files, at);
  const text = await readText(files, at.volumeFile);
  if (text === undefined) return undefined;
  const volume = parseVolumeFile(text);
  if (volume !== undefined) return volume;
  throw new UserError(
    'bad-volume',
    `cannot read ${at.volumeFile} as a volume of this version; if no worker runs, remove it and start again`,
    { file: at.volumeFile },
  );
}

/** Creates the directories and `volume.json` where they are missing. */
export async function openVolume(
  files: Files,
  at: Layout,
  options: OpenOptions,
): Promise<VolumeFile> {
  const existing = await readVolume(files, at);
  try {
    await makeDirectories(files, at);
    const volume = existing ?? (await createVolume(files, at, options));
    // The worker that created them may have crashed before its sync; flags survive a power cut only in synced directories.
    for (const directory of [at.home, at.root]) await files.sync(directory);
    requireSameTiming(volume, options);
    return volume;
  } catch (error) {
    throw explain(error, at);
  }
}

const IS_LISTABLE = new Error('the directory can be listed');

/** Stops a listing at its first name: a million would take seconds. */
function stopListing(): never {
  throw IS_LISTABLE;
}

async function requireDirectory(files: Files, at: Layout): Promise<void> {
  const stat = await files.stat(at.root).catch((error: unknown) => {
    throw explain(error, at);
  });
  // The root may be a symbolic link to a directory.
  if (stat !== undefined && stat.kind !== 'file') {
    try {
      await files.list(at.entries, { push: stopListing });
      return;
    } catch (error) {
      if (error === IS_LISTABLE) return;
      if (errnoOf(error) !== 'ENOTDIR' && errnoOf(error) !== 'ENOENT') throw explain(error, at);
    }
  }
  throw new UserError(
    'no-volume',
    stat === undefined
      ? `there is no directory ${at.root}; create it, or mount the volume there`
      : `${at.root} is not a directory`,
    { directory: at.root },
  );
}

const volumeDirectories = (at: Layout): string[] => [
  ...FLAGS.map((flag) => at.flags(flag)),
  ...EVENTS.map((part) => `${at.root}/${part}`),
  at.home,
  ...INTERNAL.map((part) => at.internal(part)),
];

async function makeDirectories(files: Files, at: Layout): Promise<void> {
  for (const directory of volumeDirectories(at)) await ensureDirectory(files, directory);
}

/**
 * Throws `unusable-volume` if a directory of the volume is on another mount or subvolume: flags are hard links to files
 * elsewhere in the volume.
 */
export async function refuseMounts(files: Files, at: Layout): Promise<void> {
  for (const directory of volumeDirectories(at)) {
    if (!(await isMount(files, at, directory)) && !(await isSubvolume(files, at, directory))) {
      continue;
    }
    throw new UserError(
      'unusable-volume',
      `cannot set flags in ${directory}: it is a mount or a subvolume of its own (EXDEV); put an ordinary directory in its place`,
      { directory, code: 'EXDEV' },
    );
  }
}

/** A name that does not exist. */
const ABSENT_NAME = '.no-such-entry';
const PROBE_NAME = '.probe';

/** Renaming an absent file changes nothing, and the kernel checks for EXDEV before ENOENT. */
function isMount(files: Files, at: Layout, directory: string): Promise<boolean> {
  return isRefused(() => files.rename(`${at.home}/${ABSENT_NAME}`, `${directory}/${ABSENT_NAME}`));
}

/** A btrfs subvolume has another device number, and a link into it is refused. */
async function isSubvolume(files: Files, at: Layout, directory: string): Promise<boolean> {
  const [home, there] = [await files.stat(at.home), await files.stat(directory)];
  if (home?.device === there?.device) return false;
  const probe = `${directory}/${PROBE_NAME}`;
  const isApart = await isRefused(() => files.link(at.volumeFile, probe));
  if (!isApart) await remove(files, probe);
  return isApart;
}

async function isRefused(act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return false;
  } catch (error) {
    return errnoOf(error) === 'EXDEV';
  }
}

async function createVolume(files: Files, at: Layout, options: OpenOptions): Promise<VolumeFile> {
  const phases = { ...options.defaults.phases, ...options.phases };
  const problem = checkPhaseLengths(phases);
  if (problem !== undefined) throw new UserError('bad-phases', problem, { phases });
  const file: VolumeFile = {
    flockwork: 1,
    id: options.newId(),
    created: new Date(options.now).toISOString(),
    phases,
    lease: options.lease ?? options.defaults.lease,
  };
  const temporary = `${at.home}/.volume-${file.id}`;
  const outcome = await writeAtomically(files, temporary, at.volumeFile, formatVolumeFile(file));
  if (outcome === 'ours') return file;
  const winner = await readVolume(files, at);
  if (winner !== undefined) return winner;
  throw new UserError(
    'volume-unsettled',
    `cannot read ${at.volumeFile}, which another worker has just created (stale cache?); try again in a few seconds`,
    { file: at.volumeFile },
  );
}

function requireSameTiming(volume: VolumeFile, options: OpenOptions): void {
  const asked = {
    ...options.phases,
    ...(options.lease === undefined ? {} : { lease: options.lease }),
  };
  const used: Record<string, number> = { ...volume.phases, lease: volume.lease };
  const differing = Object.entries(asked).filter(([key, value]) => used[key] !== value);
  if (differing.length === 0) return;
  const list = (pairs: [string, number][]): string =>
    pairs.map(([key, value]) => `--${key} ${writeDuration(value)}`).join(' ');
  throw new UserError(
    'phases-differ',
    `this volume uses ${list(Object.entries(used))}, and all its workers must; ` +
      `leave ${list(differing)} out, or start with an empty volume`,
    { used, asked },
  );
}

/** Turns errors that a user can fix into a `UserError` that says how. */
function explain(error: unknown, at: Layout): unknown {
  const advice: Record<string, string> = {
    EROFS: 'is read-only; mount it read-write',
    EACCES: 'may not be written by this user; change its owner or mode, or run as another user',
    EPERM: 'does not allow what a volume needs (hard links, or changing modes)',
    ENOSPC: 'is full; make room',
    EDQUOT: 'is over its quota; make room',
    ENOTSUP: 'has no hard links, which claims and commits need; use another file system',
    EMLINK: 'allows too few hard links; use another file system',
    ENOTCONN: 'is not connected; mount it again',
    ESTALE: 'is stale; mount it again',
  };
  const code = errnoOf(error);
  if (code === undefined || advice[code] === undefined) return error;
  return new UserError('unusable-volume', `${at.root} ${advice[code]} (${code})`, { code });
}

/** `volume.json`: makes a directory a volume, and has the settings that its workers must agree on. */
export interface VolumeFile {
  readonly flockwork: 1;
  /** Random: tells this volume from the empty directory that remains when it is unmounted. */
  readonly id: string;
  /** ISO 8601. */
  readonly created: string;
  readonly phases: PhaseLengths;
  /** Milliseconds without a sign of life after which a session counts as dead. */
  readonly lease: number;
}

const volumeSchema: () => z.ZodType<VolumeFile> = lazy(() =>
  z.object({
    flockwork: z.literal(1),
    id: z.string().min(1),
    created: z.string(),
    phases: z.object({
      assignment: z.int().positive(),
      commitment: z.int().positive(),
      update: z.int().positive(),
      buffer: z.int().nonnegative(),
    }),
    lease: z.int().positive(),
  }),
);

function formatVolumeFile(file: VolumeFile): string {
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Undefined for content that this version cannot have written. */
export function parseVolumeFile(text: string): VolumeFile | undefined {
  try {
    return volumeSchema().parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
