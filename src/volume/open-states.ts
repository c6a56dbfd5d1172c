/**
 * Which state files may be claimed. After one listing, the names that have arrived since are enough if the volume reports
 * them: a cycle costs one check per open state, however many are done.
 */
import { isStateName } from '../machine/name.ts';
import { Names } from './phases/names.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { Listings } from './listings.ts';

/** One `stat` takes as long as reading this many names of a listing. */
const NAMES_PER_STAT = 10;
/** Listing may take this part of the time; but a volume that was slow once must not hide unreported names for long. */
const MAX_LISTING_SHARE = 1 / 100;
const MAX_STALE_LEASES = 10;

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
