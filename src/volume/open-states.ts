/**
 * Which state files may be claimed. Once everything was listed, what has arrived since is enough to know, where
 * the volume tells of it: a cycle costs what is open, however much is done.
 */
import { isStateName } from '../machine/name.ts';
import { Names } from './phases/names.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { Listings } from './listings.ts';

/** A look at one state takes as long as reading so many names of a listing. */
const NAMES_PER_LOOK = 10;
/** Listing may take this part of the time; but a volume that was slow once must not hide for long what nobody told of. */
const LISTING = 1 / 100;
const MOST_LEASES = 10;

export class OpenStates {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #listings: Listings;
  readonly #lease: number;
  readonly #monotonic: () => number;
  /** Not done, as far as is known; undefined if that is not known well enough. */
  #open: Set<string> | undefined;
  /** Names that the last listing read. */
  #listed = 0;
  /** On the monotonic clock: what was listed is to be listed again then, whatever was told. */
  #stale = 0;

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
   * Names of state files that are not done. `arrived`: what the volume has told of since the last time, or
   * undefined if it may have kept something back. A claim in `claimed` is looked at by its holder.
   */
  async open(
    arrived: ReadonlySet<string> | undefined,
    claimed: ReadonlySet<string>,
  ): Promise<Names> {
    const open = this.#open;
    if (open === undefined || arrived === undefined || this.#monotonic() >= this.#stale) {
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
    const wait = Math.min((now - began) / LISTING, MOST_LEASES * this.#lease);
    this.#stale = now + Math.max(this.#lease, wait);
    this.#listed = root.size + done.size;
    this.#open = this.#isWorthKeeping(open.size) ? new Set(open) : undefined;
    return open;
  }

  /** Is it less to look at each of them in each cycle than to list everything again? */
  #isWorthKeeping(open: number): boolean {
    return open * NAMES_PER_LOOK <= this.#listed;
  }
}
