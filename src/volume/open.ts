/** Opening a directory as a volume: the first worker writes down what all of them have to agree on. */
import { writeDuration } from '../machine/duration.ts';
import { UserError } from '../machine/errors.ts';
import { checkPhaseLengths, type PhaseLengths } from './phases/cycle.ts';
import { ensureDirectory } from './directory.ts';
import { readText, writeAtomically, remove } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import { EVENTS, FLAGS, INTERNAL, type Layout } from './layout.ts';
import { formatVolumeFile, parseVolumeFile, type VolumeFile } from './volume-file.ts';

export interface OpenOptions {
  /** What the command line asked for; it has to be what the volume uses already. */
  readonly phases?: Partial<PhaseLengths>;
  readonly lease?: number;
  /** What the first worker writes where nobody asked for anything. */
  readonly defaults: { readonly phases: PhaseLengths; readonly lease: number };
  /** Random, for a volume that has no id yet. */
  readonly newId: string;
  readonly now: number;
}

/** The volume's file; undefined where no worker has ever been. Throws `no-volume`, `bad-volume`. */
export async function readVolume(files: Files, at: Layout): Promise<VolumeFile | undefined> {
  await requireDirectory(files, at);
  const text = await readText(files, at.volumeFile);
  if (text === undefined) return undefined;
  const volume = parseVolumeFile(text);
  if (volume !== undefined) return volume;
  throw new UserError(
    'bad-volume',
    `${at.volumeFile} cannot be read as a volume of this version; if no worker runs, remove it and start again`,
    { file: at.volumeFile },
  );
}

/** Makes the directories and the volume's file where they are missing. */
export async function openVolume(
  files: Files,
  at: Layout,
  options: OpenOptions,
): Promise<VolumeFile> {
  const existing = await readVolume(files, at);
  try {
    await makeDirectories(files, at);
    const volume = existing ?? (await found(files, at, options));
    // Whoever made them may have died, and the power may go: flags survive only in directories that do.
    for (const directory of [at.home, at.root]) await files.sync(directory);
    refuseOthers(volume, options);
    return volume;
  } catch (error) {
    throw explain(error, at);
  }
}

const ENOUGH = new Error('it can be listed');

/** The first name tells: to list a million takes seconds. */
function enough(): never {
  throw ENOUGH;
}

async function requireDirectory(files: Files, at: Layout): Promise<void> {
  const stat = await files.stat(at.root).catch((error: unknown) => {
    throw explain(error, at);
  });
  // The volume itself may be a symbolic link; it then lists as a directory does.
  if (stat !== undefined && stat.kind !== 'file') {
    try {
      await files.list(at.entries, { push: enough });
      return;
    } catch (error) {
      if (error === ENOUGH) return;
      if (errnoOf(error) !== 'ENOTDIR' && errnoOf(error) !== 'ENOENT') throw explain(error, at);
    }
  }
  throw new UserError(
    'no-volume',
    stat === undefined
      ? `there is no directory ${at.root}; make it, or mount the volume there`
      : `${at.root} is not a directory`,
    { directory: at.root },
  );
}

const ourDirectories = (at: Layout): string[] => [
  ...FLAGS.map((flag) => at.flags(flag)),
  ...EVENTS.map((part) => `${at.root}/${part}`),
  at.home,
  ...INTERNAL.map((part) => at.internal(part)),
];

async function makeDirectories(files: Files, at: Layout): Promise<void> {
  for (const directory of ourDirectories(at)) await ensureDirectory(files, directory);
}

/**
 * All directories have to be of one mount, and of one subvolume: flags are further names of files elsewhere in the volume.
 * Throws `unusable-volume`.
 */
export async function refuseMounts(files: Files, at: Layout): Promise<void> {
  for (const directory of ourDirectories(at)) {
    if (!(await isMount(files, at, directory)) && !(await isSubvolume(files, at, directory))) {
      continue;
    }
    throw new UserError(
      'unusable-volume',
      `${directory} is a mount or a subvolume of its own, so no flag can be set there; put an ordinary directory in its place (EXDEV)`,
      { directory, code: 'EXDEV' },
    );
  }
}

/** Nobody has made this. */
const NOTHING = '.no-such-entry';
const PROBE = '.probe';

/** Renaming what is not there changes nothing, and tells: EXDEV comes before ENOENT. */
function isMount(files: Files, at: Layout, directory: string): Promise<boolean> {
  return isRefused(() => files.rename(`${at.home}/${NOTHING}`, `${directory}/${NOTHING}`));
}

/** On btrfs: of another device, and then a link tells. */
async function isSubvolume(files: Files, at: Layout, directory: string): Promise<boolean> {
  const [home, there] = [await files.stat(at.home), await files.stat(directory)];
  if (home?.device === there?.device) return false;
  const probe = `${directory}/${PROBE}`;
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

async function found(files: Files, at: Layout, options: OpenOptions): Promise<VolumeFile> {
  const phases = { ...options.defaults.phases, ...options.phases };
  const problem = checkPhaseLengths(phases);
  if (problem !== undefined) throw new UserError('bad-phases', problem, { phases });
  const file: VolumeFile = {
    flockwork: 1,
    id: options.newId,
    created: new Date(options.now).toISOString(),
    phases,
    lease: options.lease ?? options.defaults.lease,
  };
  const temporary = `${at.home}/.volume-${options.newId}`;
  const outcome = await writeAtomically(files, temporary, at.volumeFile, formatVolumeFile(file));
  if (outcome === 'ours') return file;
  const winner = await readVolume(files, at);
  if (winner !== undefined) return winner;
  throw new UserError(
    'volume-unsettled',
    `${at.volumeFile} is there, and is not: another worker makes it just now, and a cache is behind; start again`,
    { file: at.volumeFile },
  );
}

function refuseOthers(volume: VolumeFile, options: OpenOptions): void {
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
    `this volume uses ${list(Object.entries(used))}, and all its workers have to; ` +
      `leave ${list(differing)} out, or start with an empty volume`,
    { used, asked },
  );
}

/** What a user can do about a volume that cannot be used, for the errors that have such an answer. */
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
