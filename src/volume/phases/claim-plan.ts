/**
 * What a worker may claim in this cycle. While its slice of an earlier listing holds more states than it can tick, that
 * listing is used again; else the directory is listed and split anew.
 */
import { parseStateName } from '../../machine/name.ts';
import { assign, SlicePartition, assignZip, type Split } from './assignment.ts';
import { Backlog } from './backlog.ts';
import { hash } from './hash.ts';
import { SilentFlags } from './silent-flags.ts';
import type { ClusterView, Snapshot } from '../operations.ts';

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
  #pair({ roster, tasks }: Snapshot, cycle: number): Split {
    const all = assignZip(roster, tasks);
    const available = new Set(tasks.names);
    const found = this.#silent.look(
      roster,
      (flag) => all.get(flag)?.[0],
      (state) => available.has(state),
      cycle,
    );
    for (const flag of found) this.#onSilent(flag);
    return assignZip(this.#silent.without(roster), tasks);
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
