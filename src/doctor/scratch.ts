/** The doctor's own directory in a volume: a dot-name, which workers ignore; it is always removed. */
import { UserError } from '../machine/errors.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import { errnoOf, type Files } from '../volume/files.ts';

const SCRATCH_PREFIX = '.flockwork-doctor-';
/** What a listing's cache may hide from a mount for so long, it cannot remove either. */
const CACHE_TIMEOUT_MS = 25_000;
const RETRY_DELAY_MS = 500;

/** `.flockwork-doctor-XXXXXX`, drawn anew each time: several doctors may be at work. */
export function scratchName(random: Random): string {
  const drawn = Math.floor(random() * 36 ** 6);
  return SCRATCH_PREFIX + drawn.toString(36).padStart(6, '0');
}

/**
 * Resolves when `path`, made through one mount, shows through another one. Throws `no-volume` if it does
 * not: `mount` is something else than it was said to be.
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
        `what is made in the volume does not appear in ${mount}; --through has to name another mount point of the same directory`,
        { directory: mount },
      );
    }
    await clock.sleep(RETRY_DELAY_MS, stop);
  }
}

/**
 * Removes a tree through whichever of its places can: each knows for sure what was made through it.
 * Throws what the last try said.
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

/** All that the listing shows; one that is gone already is as good. */
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
