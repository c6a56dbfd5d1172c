/**
 * Which pauses between attempts are over. The instant in a record is the volume's time as its worker knew
 * it; where clocks disagree (a volume that lets its clients stamp mtime) it may be hours away. So a pause
 * is over, too, for whoever has seen it for as long as it was to last, on its own monotonic clock.
 */
import type { Attempt } from '../machine/record.ts';
import type { Tried } from './attempts.ts';

export class Pauses {
  readonly #monotonic: () => number;
  /** When the last attempt at a state was first seen. */
  readonly #seen = new Map<string, { readonly attempt: number; readonly at: number }>();

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  /** `earliest`: of the volume's time now, ms, or undefined where that is not known. */
  isOver(name: string, { attempts, notBefore }: Tried, earliest: number | undefined): boolean {
    const due = Date.parse(notBefore ?? '');
    if (earliest === undefined || !(due > earliest)) return true;
    const last = attempts.at(-1);
    return last !== undefined && this.#seenFor(name, last) >= pauseAfter(last);
  }

  /** Forgets all states but these. */
  keep(names: ReadonlySet<string>): void {
    for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
  }

  /** Milliseconds. */
  #seenFor(name: string, { attempt }: Attempt): number {
    const now = this.#monotonic();
    const known = this.#seen.get(name);
    if (known?.attempt === attempt) return now - known.at;
    this.#seen.set(name, { attempt, at: now });
    return 0;
  }
}

/** Both instants are from one clock, whichever it was. */
function pauseAfter({ ended, notBefore }: Attempt): number {
  return Date.parse(notBefore ?? '') - Date.parse(ended);
}
