/** Where probes work: their ports, and the doctor's directory in a volume, which is always removed. */
import { UserError } from '../machine/errors.ts';
import type { Clock, Random } from '../engine/ports.ts';
import { errnoOf, type Files } from '../volume/files.ts';
import type { FileSystem } from './file-system.ts';
import type { Peer } from './peer.ts';

export interface HostPorts {
  /** Throws with the errno of statfs. */
  fileSystem(directory: string): FileSystem;
  /** Link count of stat. */
  linkCount(path: string): number;
}

export interface Ports {
  readonly files: Files;
  readonly clock: Clock;
  readonly host: HostPorts;
}

/** Environment of a probe. `places`: the doctor's directory through each mount; the first is in `directory`. */
export interface Bench extends Ports {
  readonly directory: string;
  readonly places: readonly string[];
  readonly peers: readonly Peer[];
  readonly stop: AbortSignal;
}

/** Workers ignore names that start with a dot. */
const SCRATCH_PREFIX = '.flockwork-doctor-';
/** A mount cannot remove files that its cached listing still hides. */
const CACHE_TIMEOUT_MS = 25_000;
const RETRY_DELAY_MS = 500;

/** Random, because several doctors may run: `.flockwork-doctor-XXXXXX`. */
export function scratchName(random: Random): string {
  const drawn = Math.floor(random() * 36 ** 6);
  return SCRATCH_PREFIX + drawn.toString(36).padStart(6, '0');
}

/**
 * Resolves when `path`, created through one mount, is visible through another one. Throws `no-volume` if it never is:
 * `mount` is another directory.
 */
export async function awaitPlace(
  { files, clock, stop }: { files: Files; clock: Clock; stop: AbortSignal },
  path: string,
  mount: string,
): Promise<void> {
  const until = clock.monotonic() + CACHE_TIMEOUT_MS;
  while ((await files.stat(path)) === undefined) {
    stop.throwIfAborted();
    if (clock.monotonic() > until) {
      throw new UserError(
        'no-volume',
        `a directory created in the volume does not appear in ${mount}; --through must name another mount point of the same directory`,
        { directory: mount },
      );
    }
    await clock.sleep(RETRY_DELAY_MS, stop);
  }
}

/**
 * Removes a tree through each of its places: each one surely sees what was created through it. Retries, then throws the
 * last error.
 */
export async function removeScratch(
  { files, clock }: { files: Files; clock: Clock },
  places: readonly string[],
): Promise<void> {
  const until = clock.monotonic() + CACHE_TIMEOUT_MS;
  for (;;) {
    for (const place of places) await removeTree(files, place).catch(() => undefined);
    try {
      return await removeTree(files, places[0]!);
    } catch (error) {
      if (clock.monotonic() > until) throw error;
    }
    await clock.sleep(RETRY_DELAY_MS);
  }
}

/** Removes what the listing shows; a missing file is not an error. */
async function removeTree(files: Files, path: string): Promise<void> {
  const gone = (error: unknown): void => {
    if (errnoOf(error) !== 'ENOENT') throw error;
  };
  try {
    for (const name of await files.list(path)) {
      const one = `${path}/${name}`;
      const stat = await files.stat(one);
      await (stat?.kind === 'directory' ? removeTree(files, one) : files.unlink(one)).catch(gone);
    }
    await files.removeDirectory(path);
  } catch (error) {
    gone(error);
  }
}
