/**
 * A listing that serves many cycles. While a worker's own slice holds more than it can get through, nothing
 * it needs to know has changed but the roster: it goes on round its slice, and leaves the rest to theirs.
 */
import { Cut, quotaOf, refusedShare, startOf, type RosterEntry } from './assignment.ts';
import type { Ring } from './ring.ts';

export class Backlog {
  readonly #ring: Ring;
  readonly #session: string;
  #roster: readonly RosterEntry[] = [];
  #cut: Cut = new Cut([]);
  #own = 0;

  constructor(ring: Ring, session: string) {
    this.#ring = ring;
    this.#session = session;
  }

  /** Names of the worker's own slice that it has not been given yet, where this is the roster. */
  remaining(roster: readonly RosterEntry[]): number {
    this.#cutFor(roster);
    return this.#own;
  }

  /**
   * The worker's names in this cycle, in the split's order, up to its quota; each is given once. The same
   * as `assign` gives it from the same ring, as long as its slice holds its quota.
   */
  *share(roster: readonly RosterEntry[], cycle: number): Generator<string, void> {
    this.#cutFor(roster);
    const ring = this.#ring;
    let left = quotaOf(roster, ring, cycle, this.#session);
    for (const name of refusedShare(roster, ring, cycle, this.#session)) {
      left -= 1;
      yield name;
    }
    if (this.#own === 0) return;
    for (const index of ring.from(startOf(cycle))) {
      if (left <= 0) return;
      if (!this.#isOwn(index)) continue;
      const name = ring.nameAt(index)!;
      ring.remove(index);
      this.#own -= 1;
      left -= 1;
      yield name;
    }
  }

  #isOwn(index: number): boolean {
    const ring = this.#ring;
    const name = ring.nameAt(index);
    if (name === undefined || ring.refusedBy(name).length > 0) return false;
    return this.#cut.sessions[this.#cut.ownerOf(ring.placeAt(index))] === this.#session;
  }

  #cutFor(roster: readonly RosterEntry[]): void {
    if (isSame(roster, this.#roster)) return;
    this.#roster = roster;
    this.#cut = new Cut(roster);
    this.#own = 0;
    for (const index of this.#ring.from(0)) if (this.#isOwn(index)) this.#own += 1;
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
