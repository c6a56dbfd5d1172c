/**
 * Which participants count as dead, and which live session does what they have left.
 *
 * A session is dead if its counter has not been seen to move for the lease time, on the observer's own monotonic clock. Time
 * stamps of different hosts are never compared. A flag of another program has no counter: see `SilentFlags`.
 */
import { invariant } from '../../machine/invariant.ts';
import { hash } from './hash.ts';
import { compareCodePoints } from '../../machine/name.ts';
import type { RosterEntry } from './assignment.ts';

export interface Observation {
  readonly counter: number;
  /** When this counter was first seen, at the latest, on the observer's monotonic clock, ms. */
  readonly since: number;
  /** When it was last read: an observer that has slept since then knows nothing newer. */
  readonly looked: number;
}

/**
 * I8: a lease that is missing, or not a counter, is no information: it neither ends nor renews anything. `before` and `after`
 * the read, on the monotonic clock. `after` is used as the start of the interval, so a slow read never ages a session.
 */
export function observe(
  previous: Observation | undefined,
  counter: number | undefined,
  before: number,
  after: number = before,
): Observation {
  invariant(before <= after, 'I8: expected before <= after of a look at a lease');
  const known = counter !== undefined && Number.isSafeInteger(counter) && counter >= 0;
  const [since, looked] = [after, before];
  if (previous === undefined) return { counter: known ? counter : -1, since, looked };
  return known && counter !== previous.counter
    ? { counter, since, looked }
    : { ...previous, looked };
}

/** `lease`: milliseconds. */
export function isDead({ looked, since }: Observation, lease: number): boolean {
  return looked - since >= lease;
}

/**
 * Splits recovery and maintenance among live sessions, so that not all of them do all of it: assigns `key` to one of them, provided all agree on the live set. Rotates with the cycle, so that an undetected dead
 * session does not own a key for long.
 */
export function ownsKey(
  key: string,
  self: string,
  living: readonly string[],
  cycle: number,
): boolean {
  const sessions = [...new Set([...living, self])].sort(compareCodePoints);
  return sessions[(hash(key) + cycle) % sessions.length] === self;
}

const SILENT_CYCLES = 2;

/** A flag without a session: its content is not a token, and its name is used instead. */
export function isForeign({ session, name }: RosterEntry): boolean {
  return session === name;
}

interface Pairing {
  readonly state: string | undefined;
  /** The cycle in which the flag was first paired with a state that it has not claimed. */
  readonly since: number;
}

/**
 * Flags of another program in `workers/` that claim nothing: left behind by a worker that has stopped. In the original's
 * pairing such a flag keeps the state that it is paired with from all others, for ever.
 *
 * A flag is *silent* when the states that it was paired with were still available in each look of SILENT_CYCLES. It stays so
 * until it is removed: from then on its states go to others, so later looks say nothing about it.
 */
export class SilentFlags {
  readonly #pairings = new Map<string, Pairing>();
  readonly #silent = new Set<string>();

  /**
   * `pairOf`: the state that a flag is paired with in this cycle, in the pairing of all flags. `isAvailable`: is this state
   * available now? Returns the flags that have become silent.
   */
  look(
    roster: readonly RosterEntry[],
    pairOf: (flag: string) => string | undefined,
    isAvailable: (state: string) => boolean,
    cycle: number,
  ): string[] {
    const flags = new Set(roster.filter(isForeign).map(({ name }) => name));
    for (const known of [this.#pairings, this.#silent]) {
      for (const name of known.keys()) if (!flags.has(name)) known.delete(name);
    }
    const found: string[] = [];
    for (const flag of flags) {
      const before = this.#pairings.get(flag);
      const hasLeft = before?.state !== undefined && isAvailable(before.state);
      const since = hasLeft ? before.since : cycle;
      this.#pairings.set(flag, { state: pairOf(flag), since });
      if (cycle - since < SILENT_CYCLES || this.#silent.has(flag)) continue;
      this.#silent.add(flag);
      found.push(flag);
    }
    return found;
  }

  /** The roster without silent flags. */
  without(roster: readonly RosterEntry[]): RosterEntry[] {
    return roster.filter((entry) => !isForeign(entry) || !this.#silent.has(entry.name));
  }
}
