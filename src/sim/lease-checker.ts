/** Checks I6: the lease of a live session is not broken, and a session whose lease was broken stops. */
import type { SimProcess } from './process.ts';

export interface LeaseCheckerOptions {
  /** Milliseconds. */
  readonly lease: number;
  readonly cycle: number;
  /** Some ticks hang: past their deadline, the heartbeat must stop. */
  readonly hangs: boolean;
}

export class LeaseChecker {
  readonly #options: LeaseCheckerOptions;
  readonly #now: () => number;
  /** Time at which a session's lease was removed. */
  readonly #gone = new Map<string, number>();

  constructor(now: () => number, options: LeaseCheckerOptions) {
    this.#now = now;
    this.#options = options;
  }

  leaseIsGone(session: string): void {
    this.#gone.set(session, this.#now());
  }

  /** `who` is about to remove the lease of `owner`'s session. */
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
    return `expected the lease of ${session} to stay ${silent} ms after a beat, got ${who.name} breaking it`;
  }

  /** `who` sets a flag: its session's lease must not have been broken. */
  acting(who: SimProcess): string | undefined {
    const session = who.session?.token.session ?? '';
    const gone = this.#gone.get(session);
    const { lease, cycle } = this.#options;
    // The session notices it at its next heartbeat or phase.
    if (gone === undefined || who.stalled || this.#now() - gone < lease / 2 + 2 * cycle) {
      return undefined;
    }
    const late = Math.round(this.#now() - gone);
    return `expected ${session} to stop when its lease was broken, got a flag ${late} ms later`;
  }

  /** `who` beats: not allowed while a tick is long past its deadline. */
  beating(who: SimProcess, timeout: number): string | undefined {
    const { lease } = this.#options;
    const blocked = who.lastBlockedFor;
    if (blocked < timeout + 1.5 * lease) return undefined;
    return `expected ${who.name} to stop beating in a hung tick, got a beat after ${Math.round(blocked)} ms`;
  }
}
