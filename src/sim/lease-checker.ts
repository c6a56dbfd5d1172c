/** I6, watched: who lives is not taken for dead, and who was taken for dead does nothing more. */
import type { SimProcess } from './process.ts';

export interface LeaseCheckerOptions {
  /** Milliseconds. */
  readonly lease: number;
  readonly cycle: number;
  /** Some ticks never come back: past their deadline, the heart is to stop. */
  readonly hangs: boolean;
}

export class LeaseChecker {
  readonly #options: LeaseCheckerOptions;
  readonly #now: () => number;
  /** When a session's lease went. */
  readonly #gone = new Map<string, number>();

  constructor(now: () => number, options: LeaseCheckerOptions) {
    this.#now = now;
    this.#options = options;
  }

  leaseIsGone(session: string): void {
    this.#gone.set(session, this.#now());
  }

  /** `who` is about to break the lease of `owner`'s session. */
  breaking(who: SimProcess, session: string, owner: SimProcess): string | undefined {
    if (owner === who || owner.isStopped) return undefined;
    const { lease, hangs } = this.#options;
    const isBusy =
      !hangs &&
      owner.beats &&
      owner.blockedFor > 0 &&
      owner.blockedFor < 1.9 * lease &&
      owner.runsFor > 4 * lease;
    if (!owner.isLively && !isBusy) return undefined;
    const silent = Math.round(this.#now() - owner.lastBeat);
    return `${who.name} breaks the lease of ${session}, which beat ${silent} ms ago`;
  }

  /** `who` sets a flag: its session has to be one that the others have not given up. */
  acting(who: SimProcess): string | undefined {
    const session = who.session?.token.session ?? '';
    const gone = this.#gone.get(session);
    const { lease, cycle } = this.#options;
    // It learns of it from a beat, and asks at the beginning of each phase.
    if (gone === undefined || who.stalled || this.#now() - gone < lease / 2 + 2 * cycle) {
      return undefined;
    }
    return `${session} goes on though its lease was broken ${Math.round(this.#now() - gone)} ms ago`;
  }

  /** `who` gives a sign of life: not while a tick is long past the end of its time. */
  beating(who: SimProcess, timeout: number): string | undefined {
    const { lease } = this.#options;
    const blocked = who.lastBlockedFor;
    if (blocked < timeout + 1.5 * lease) return undefined;
    return `${who.name} beats, though a tick has blocked it for ${Math.round(blocked)} ms`;
  }
}
