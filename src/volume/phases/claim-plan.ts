/**
 * What a worker may claim in this cycle. While its slice of an earlier listing holds more states than it can tick, that
 * listing is used again; else the directory is listed and split anew.
 */
import { parseStateName } from '../../machine/name.ts';
import {
  assign,
  SlicePartition,
  assignZip,
  quotaOf,
  refusedShare,
  startOf,
  type Split,
  type RosterEntry,
} from './assignment.ts';
import { hash } from './hash.ts';
import { SilentFlags } from './liveness.ts';
import type { ClusterView, Snapshot } from '../operations.ts';
import { invariant } from '../../machine/invariant.ts';
import { firstIndex, type Ring } from './ring.ts';

/** A shorter listing is not kept: listing again costs little. */
export const SMALL_BACKLOG_STATES: number = 2000;
/** Listing may take this part of the time: new names wait until then, or for a lease if that is longer. */
export const MAX_LISTING_SHARE: number = 1 / 20;

export class ClaimPlan {
  readonly #session: string;
  readonly #lease: number;
  readonly #how: 'slices' | 'zip';
  readonly #onSilent: (flag: string) => void;
  readonly #silent = new SilentFlags();
  #backlog: Backlog | undefined;
  /** When the backlog is too old to use, on the monotonic clock, ms. */
  #staleAt = 0;
  #names: Iterator<string, void> = [].values();
  #cycle = Number.NaN;
  #cut = new SlicePartition([]);
  readonly #offered = new Set<string>();

  /** `onSilent`: called once for each flag that is left out of the original's pairing. */
  constructor(
    session: string,
    lease: number,
    how: 'slices' | 'zip',
    onSilent: (flag: string) => void,
  ) {
    this.#session = session;
    this.#lease = lease;
    this.#how = how;
    this.#onSilent = onSilent;
  }

  /** Is the kept listing enough? `wanted`: states that the worker can use in this cycle. */
  isSufficient({ roster }: ClusterView, wanted: number, now: number): boolean {
    if (this.#backlog === undefined || now >= this.#staleAt) return false;
    return this.#backlog.remaining(roster) >= Math.max(1, wanted);
  }

  reuse({ roster }: ClusterView, cycle: number): void {
    this.#begin(roster, cycle, this.#backlog!.share(roster, cycle));
  }

  /** `took`: duration of the listing, ms. */
  split(snapshot: Snapshot, cycle: number, wanted: number, took: number, now: number): void {
    const { roster, tasks } = snapshot;
    if (this.#how === 'slices' && tasks.size >= SMALL_BACKLOG_STATES) {
      this.#backlog = new Backlog(tasks, this.#session);
      this.#staleAt = now + Math.max(this.#lease, took / MAX_LISTING_SHARE);
      if (this.isSufficient(snapshot, wanted, now)) return this.reuse(snapshot, cycle);
    }
    this.#backlog = undefined;
    const split = this.#how === 'zip' ? this.#pair(snapshot, cycle) : assign(roster, tasks, cycle);
    this.#begin(roster, cycle, (split.get(this.#session) ?? []).values());
  }

  /** The original's pairing, without flags that claim nothing. */
  #pair({ roster, tasks, woken }: Snapshot, cycle: number): Split {
    const all = assignZip(roster, tasks, woken, cycle);
    const available = new Set(tasks.names);
    const found = this.#silent.look(
      roster,
      (flag) => all.get(flag)?.[0],
      (state) => available.has(state),
      cycle,
    );
    for (const flag of found) this.#onSilent(flag);
    return assignZip(this.#silent.without(roster), tasks, woken, cycle);
  }

  /** Plans no more claims in this cycle. */
  end({ roster }: ClusterView, cycle: number): void {
    this.#begin(roster, cycle, [].values());
  }

  #begin(roster: ClusterView['roster'], cycle: number, names: Iterator<string, void>): void {
    this.#cut = new SlicePartition(roster);
    this.#cycle = cycle;
    this.#names = names;
    this.#offered.clear();
  }

  /** The next name to claim in this cycle; each name once. */
  next(cycle: number): string | undefined {
    const [offered] = this.#offered;
    if (offered !== undefined) {
      this.#offered.delete(offered);
      return offered;
    }
    return cycle === this.#cycle ? (this.#names.next().value ?? undefined) : undefined;
  }

  /**
   * Adds a name that has just arrived: true if its place is in this worker's slice, and so in no other. Successors are
   * claimed by the session that publishes them, or left to the next split.
   */
  addArrival(name: string): boolean {
    const parsed = parseStateName(name);
    if (parsed?.step !== 0 || this.#how === 'zip') return false;
    const isOwn = this.#cut.sessions[this.#cut.ownerOf(hash(parsed.instance))] === this.#session;
    if (isOwn) this.#offered.add(name);
    return isOwn;
  }

  /** Forgets arrivals: the next split has them. */
  forgetOffers(): void {
    this.#offered.clear();
  }

  get hasOffers(): boolean {
    return this.#offered.size > 0;
  }
}

/**
 * One listing that serves many cycles. While a worker's own slice holds more states than it can tick, only the roster can
 * change what it claims: it continues through its slice, and leaves the rest to the other workers.
 */
export class Backlog {
  readonly #ring: Ring;
  readonly #session: string;
  #roster: readonly RosterEntry[] = [];
  /** Indices of the worker's own slice, in the ring's order. */
  #slice: Uint32Array = new Uint32Array();
  #left = 0;

  constructor(ring: Ring, session: string) {
    this.#ring = ring;
    this.#session = session;
  }

  /** Number of names in the worker's own slice, with this roster, that it has not been given yet. */
  remaining(roster: readonly RosterEntry[]): number {
    this.#cutFor(roster);
    return this.#left;
  }

  /**
   * The worker's names in this cycle, in the split's order, up to its quota: the same as `assign` gives it from the same ring
   * while its slice holds its quota. Each name of its slice is given once; refused names are dealt in every cycle.
   */
  *share(roster: readonly RosterEntry[], cycle: number): Generator<string, void> {
    this.#cutFor(roster);
    const [ring, slice] = [this.#ring, this.#slice];
    let quota = quotaOf(roster, ring, cycle, this.#session);
    for (const name of refusedShare(roster, ring, cycle, this.#session)) {
      quota -= 1;
      yield name;
    }
    const start = startOf(cycle);
    const first = firstIndex(slice.length, (index) => ring.placeAt(slice[index]!) < start);
    for (let step = 0; step < slice.length && quota > 0 && this.#left > 0; step += 1) {
      const index = slice[(first + step) % slice.length]!;
      const name = ring.nameAt(index);
      if (name === undefined) continue;
      ring.remove(index);
      this.#left -= 1;
      quota -= 1;
      yield name;
    }
  }

  #cutFor(roster: readonly RosterEntry[]): void {
    if (isSame(roster, this.#roster)) return;
    this.#roster = roster;
    const ring = this.#ring;
    const cut = new SlicePartition(roster);
    const self = cut.sessions.indexOf(this.#session);
    const own = new Uint32Array(self < 0 ? 0 : ring.size);
    let count = 0;
    for (const index of self < 0 ? [] : ring.from(0)) {
      if (cut.ownerOf(ring.placeAt(index)) !== self || !ring.isPlain(index)) continue;
      own[count] = index;
      count += 1;
    }
    const isPart = cut.sessions.length > 1 || self < 0 || count >= ring.size - ring.refused.length;
    invariant(isPart, 'I5: expected the whole ring for one worker', undefined, this.#session);
    this.#slice = own.slice(0, count);
    this.#left = count;
  }
}

function isSame(one: readonly RosterEntry[], other: readonly RosterEntry[]): boolean {
  const key = (roster: readonly RosterEntry[]): string =>
    roster
      .map(({ session, concurrency }) => `${session} ${concurrency}`)
      .sort()
      .join('\n');
  return key(one) === key(other);
}
