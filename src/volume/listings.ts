/** Listings of directories that may be long: made again only when something has changed. */
import { Names } from './phases/names.ts';
import { listInto } from './atomic-files.ts';
import type { Files } from './files.ts';

interface Known {
  readonly mtime: number | undefined;
  /** On our monotonic clock: when this mtime was first seen. */
  readonly since: number;
  /** Of a listing made when it had been so for long enough. */
  readonly names: Names | undefined;
}

const always = (): boolean => true;

/** Listings, made again only when the directory has changed: history costs nothing while it rests. */
export class Listings {
  readonly #files: Files;
  readonly #settled: number;
  readonly #monotonic: () => number;
  readonly #known = new Map<string, Known>();

  /**
   * `settled`: a directory whose mtime has been seen to stay for so many ms has not changed unseen, neither
   * within a coarse time stamp nor behind a cache. By our own clock: the stamps may be from any other (I8).
   */
  constructor(files: Files, settled: number, monotonic: () => number) {
    this.#files = files;
    this.#settled = settled;
    this.#monotonic = monotonic;
  }

  /** `isWanted`: the same for a directory each time; other names are not kept. */
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
    const isSettled = mtime !== undefined && now - since >= this.#settled;
    this.#known.set(directory, { mtime, since, names: isSettled ? names : undefined });
    return names;
  }
}
