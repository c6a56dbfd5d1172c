/**
 * How many states a worker claims before it has a slot for them, and how many unstarted claims it keeps. The rule: no
 * claim waits, beyond one cycle, while a slot of another worker is free.
 */
import type { RosterEntry } from './assignment.ts';
import type { Forecast } from './throughput.ts';

/** With fewer available states per slot, other workers may need the claims of this one. */
const AMPLE_STATES_PER_SLOT = 2;
/** A forecast is not exact: a claim that was right a moment ago is not released without need. */
const TOLERANCE_FACTOR = 2;
/** Standard deviations below the mean: at least so many ticks begin in 19 of 20 cycles. */
const KEPT_DEVIATIONS = 2;

/** Most unstarted claims to have. If states are scarce, another worker may begin them sooner. */
export function prefetchTarget({ mean }: Forecast, isScarce: boolean): number {
  return isScarce ? 0 : Math.round(mean);
}

/** Unstarted claims to keep: if states are scarce, only those that will very likely begin within the next cycle. */
export function unstartedToKeep({ mean, deviation }: Forecast, isScarce: boolean): number {
  return isScarce
    ? Math.round(Math.max(0, mean - KEPT_DEVIATIONS * deviation))
    : TOLERANCE_FACTOR * Math.round(mean);
}

/** Which workers have been available lately: a full one is not on the roster, and may soon be again. */
export class KnownFleet {
  readonly #self: string;
  readonly #memoryMs: number;
  readonly #seen = new Map<string, { readonly at: number; readonly concurrency: number }>();

  constructor(self: string, memoryMs: number) {
    this.#self = self;
    this.#memoryMs = memoryMs;
  }

  /** `now`: on the monotonic clock, ms. */
  see(roster: readonly RosterEntry[], now: number): void {
    for (const { session, concurrency } of roster)
      this.#seen.set(session, { at: now, concurrency });
    for (const [session, { at }] of this.#seen) {
      if (now - at > this.#memoryMs) this.#seen.delete(session);
    }
  }

  /** Are there so few available states that another worker may run out of them? */
  isScarce(available: number): boolean {
    const others = [...this.#seen].filter(([session]) => session !== this.#self);
    if (others.length === 0) return false;
    const slots = [...this.#seen.values()].reduce((sum, { concurrency }) => sum + concurrency, 0);
    return available < AMPLE_STATES_PER_SLOT * slots;
  }
}
