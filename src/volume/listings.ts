/** A cache of directory listings: a directory is listed again only when it has changed. */
import { Names } from './phases/names.ts';
import { listInto } from './atomic-files.ts';
import type { Files } from './files.ts';

interface Known {
  readonly mtime: number | undefined;
  /** When this mtime was first seen, on our monotonic clock, ms. */
  readonly since: number;
  /** Kept if the mtime had been settled when the directory was listed. */
  readonly names: Names | undefined;
}

const always = (): boolean => true;

export class Listings {
  readonly #files: Files;
  readonly #settledMs: number;
  readonly #monotonic: () => number;
  readonly #known = new Map<string, Known>();

  /**
   * `settledMs`: a directory whose mtime has been seen to stay for this time has not changed unseen, neither within a coarse
   * time stamp nor behind a cache. On our own clock: the stamps may be from any other (I8).
   */
  constructor(files: Files, settledMs: number, monotonic: () => number) {
    this.#files = files;
    this.#settledMs = settledMs;
    this.#monotonic = monotonic;
  }

  /** Names for which `isWanted` holds: always the same function for a directory. */
  async list(directory: string, isWanted: (name: string) => boolean = always): Promise<Names> {
    const now = this.#monotonic();
    const mtime = (await this.#files.stat(directory))?.mtime;
    const before = this.#known.get(directory);
    const known = before?.mtime === mtime ? before : undefined;
    if (known?.names !== undefined) return known.names;
    const since = known?.since ?? now;
    const names = new Names();
    const push = (name: string): void => void (isWanted(name) && names.push(name));
    await listInto(this.#files, directory, { push });
    const isSettled = mtime !== undefined && now - since >= this.#settledMs;
    this.#known.set(directory, { mtime, since, names: isSettled ? names : undefined });
    return names;
  }
}
