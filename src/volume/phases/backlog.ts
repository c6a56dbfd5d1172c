/**
 * One listing that serves many cycles. While a worker's own slice holds more states than it can tick, only the roster can
 * change what it claims: it continues through its slice, and leaves the rest to the other workers.
 */
import { invariant } from '../../machine/invariant.ts';
import { SlicePartition, quotaOf, refusedShare, startOf, type RosterEntry } from './assignment.ts';
import type { Ring } from './ring.ts';
import { firstIndex } from './search.ts';

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
