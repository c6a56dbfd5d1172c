/** What is in the directories without listing them in each cycle: cached listings, names that arrived, open states. */
import { Names } from './phases/names.ts';
import { listInto } from './atomic-files.ts';
import type { Files } from './files.ts';
import { isStateName } from '../machine/name.ts';
import type { Layout } from './layout.ts';

interface Known {
  readonly mtime: number | undefined;
  /** When this mtime was first seen, on our monotonic clock, ms. */
  readonly since: number;
  /** Kept if the mtime had been settled when the directory was listed. */
  readonly names: Names | undefined;
}

const always = (): boolean => true;

/** A cache of directory listings: a directory is listed again only when it has changed. */
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

/** Above this, a listing is cheaper. */
const MAX_HINTS = 4096;

/** Names of file events since the last `take`. Hints: some may be missing. */
export class FileHints {
  #names: Set<string> | undefined = new Set();

  /** Undefined: the name of the changed file is unknown. */
  note(name: string | undefined): void {
    // Only state files are of interest.
    if (name !== undefined && !isStateName(name)) return;
    if (name === undefined || this.#names === undefined || this.#names.size >= MAX_HINTS) {
      this.#names = undefined;
    } else {
      this.#names.add(name);
    }
  }

  /** Undefined if there may be more than the noted names. */
  take(): ReadonlySet<string> | undefined {
    const names = this.#names;
    this.#names = new Set();
    return names;
  }
}

/** One `stat` takes as long as reading this many names of a listing. */
const NAMES_PER_STAT = 10;
/** Listing may take this part of the time; but a volume that was slow once must not hide unreported names for long. */
const MAX_LISTING_SHARE = 1 / 100;
const MAX_STALE_LEASES = 10;

/**
 * Which state files may be claimed. After one listing, the names that have arrived since are enough if the volume reports
 * them: a cycle costs one check per open state, however many are done.
 */
export class OpenStates {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #listings: Listings;
  readonly #lease: number;
  readonly #monotonic: () => number;
  /** States that are not known to be done; undefined if the next call must list again. */
  #open: Set<string> | undefined;
  /** Number of names in the last listing. */
  #listed = 0;
  /** When to list again, whatever was reported, on the monotonic clock, ms. */
  #staleAt = 0;

  constructor(
    files: Files,
    layout: Layout,
    listings: Listings,
    lease: number,
    monotonic: () => number,
  ) {
    this.#files = files;
    this.#layout = layout;
    this.#listings = listings;
    this.#lease = lease;
    this.#monotonic = monotonic;
  }

  /**
   * Names of state files that are not done. `arrived`: names that the volume has reported since the last call, or undefined
   * if it may have missed some. States in `claimed` are not checked: their sessions do that.
   */
  async open(
    arrived: ReadonlySet<string> | undefined,
    claimed: ReadonlySet<string>,
  ): Promise<Names> {
    const open = this.#open;
    if (open === undefined || arrived === undefined || this.#monotonic() >= this.#staleAt) {
      return this.#list();
    }
    const [files, layout] = [this.#files, this.#layout];
    for (const name of arrived) {
      if (!isStateName(name) || open.has(name)) continue;
      if ((await files.stat(layout.state(name))) !== undefined) open.add(name);
    }
    for (const name of open) {
      if (claimed.has(name)) continue;
      if ((await files.stat(layout.flag('done', name))) !== undefined) open.delete(name);
    }
    if (!this.#isWorthKeeping(open.size)) this.#open = undefined;
    return Names.of(open);
  }

  async #list(): Promise<Names> {
    const began = this.#monotonic();
    const root = await this.#listings.list(this.#layout.entries, isStateName);
    const done = await this.#listings.list(this.#layout.flags('done'));
    const open = root.without(done);
    const now = this.#monotonic();
    const wait = Math.min((now - began) / MAX_LISTING_SHARE, MAX_STALE_LEASES * this.#lease);
    this.#staleAt = now + Math.max(this.#lease, wait);
    this.#listed = root.size + done.size;
    this.#open = this.#isWorthKeeping(open.size) ? new Set(open) : undefined;
    return open;
  }

  /** Does checking each open state in each cycle cost less than listing everything again? */
  #isWorthKeeping(open: number): boolean {
    return open * NAMES_PER_STAT <= this.#listed;
  }
}
