/**
 * Which pauses between attempts are over. The instant in a record is the volume's time as its worker knew it; if clocks
 * disagree (a volume that lets its clients stamp mtime) it may be hours away. So a pause is also over for a session that has
 * seen it for its duration and one cycle, on its own monotonic clock. If clocks agree, the volume's time comes first for all
 * sessions (I5).
 */
import type { Attempt } from '../machine/record.ts';
import type { Tried } from './attempts.ts';

export class RetryDelays {
  readonly #monotonic: () => number;
  readonly #cycle: number;
  /** When the last attempt at a state was first seen. */
  readonly #seen = new Map<string, { readonly attempt: number; readonly at: number }>();

  /** `cycle`: milliseconds. */
  constructor(monotonic: () => number, cycle: number) {
    this.#monotonic = monotonic;
    this.#cycle = cycle;
  }

  /** `now`: the earliest possible volume time, ms; undefined while it is not known. */
  isOver(name: string, { attempts, notBefore }: Tried, now: number | undefined): boolean {
    const due = Date.parse(notBefore ?? '');
    if (now === undefined || !(due > now)) return true;
    const last = attempts.at(-1);
    return last !== undefined && this.#seenFor(name, last) >= pauseAfter(last) + this.#cycle;
  }

  /** Forgets all states but these. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
  }

  /** Milliseconds. */
  #seenFor(name: string, { attempt }: Attempt): number {
    const at = this.#monotonic();
    const known = this.#seen.get(name);
    if (known?.attempt === attempt) return at - known.at;
    this.#seen.set(name, { attempt, at });
    return 0;
  }
}

/** Milliseconds: both instants are from the same clock. */
function pauseAfter({ ended, notBefore }: Attempt): number {
  return Date.parse(notBefore ?? '') - Date.parse(ended);
}
