/**
 * Flags of another program in `workers/` that claim nothing: left behind by a worker that has stopped. In the original's
 * pairing such a flag keeps the state that it is paired with from all others, for ever.
 *
 * A flag is *silent* when the states that it was paired with were still available in each look of SILENT_CYCLES. It stays so
 * until it is removed: from then on its states go to others, so later looks say nothing about it.
 */
import type { RosterEntry } from './assignment.ts';

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
