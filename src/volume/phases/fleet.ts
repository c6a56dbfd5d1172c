/** What one worker knows of its fleet: whether all have joined, who is there, and whether there is nothing left to do. */
import type { RosterEntry } from './assignment.ts';

const EXPECT_LIMIT_MS = 5000;
/** A fleet that keeps growing must not keep its first workers waiting. */
const QUIET_PERIODS = 5;

export interface GatheringOptions {
  /** Sessions to wait for, this one included. Undefined: not known. */
  readonly expect: number | undefined;
  /** Milliseconds without a new session. 0: do not wait. */
  readonly quietMs: number;
}

/** When a worker has read the roster. */
export interface RosterLook {
  /** Cycles since the epoch. */
  readonly cycle: number;
  /** On the monotonic clock, ms. */
  readonly at: number;
}

/**
 * The start of a fleet: no worker claims before the others have joined, so that the first states are split among all of them.
 *
 *   waiting ──▶ over    `expect` sessions have been on the roster; or EXPECT_LIMIT_MS have passed since this worker joined it
 *   waiting ──▶ over    without `expect`: no new session has joined for `quietCycles` cycles, this worker included; or
 *                       QUIET_PERIODS times as many have passed since it joined
 *
 * `over` is final: full workers leave the roster, which is no reason to wait again. All workers see the same roster in the
 * same cycle, and count cycles, so they begin together.
 */
export class Gathering {
  readonly #expect: number | undefined;
  readonly #quietCycles: number;
  /** Sessions that have been on the roster: a full one has left it. */
  readonly #seen = new Set<string>();
  /** When this worker was first seen on the roster, and when the last session was. */
  #joined: RosterLook | undefined;
  #grown = Number.NaN;
  #isOver: boolean;

  constructor({ expect, quietMs }: GatheringOptions, cycleMs: number) {
    this.#expect = expect;
    this.#quietCycles = Math.ceil(quietMs / cycleMs);
    this.#isOver = (expect ?? 1) <= 1 && (expect !== undefined || quietMs <= 0);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get seen(): number {
    return this.#seen.size;
  }

  /** Call in each Worker Assignment, with the roster as it was read. */
  look(self: string, roster: readonly RosterEntry[], now: RosterLook): void {
    if (this.#isOver) return;
    for (const { session } of roster) {
      if (!this.#seen.has(session)) this.#grown = now.cycle;
      this.#seen.add(session);
    }
    if (this.#seen.has(self)) this.#joined ??= now;
    if (this.#joined !== undefined) this.#isOver = this.#isComplete(this.#joined, now);
  }

  #isComplete(joined: RosterLook, now: RosterLook): boolean {
    if (this.#expect !== undefined) {
      return this.#seen.size >= this.#expect || now.at - joined.at >= EXPECT_LIMIT_MS;
    }
    return (
      now.cycle - this.#grown >= this.#quietCycles ||
      now.cycle - joined.cycle >= QUIET_PERIODS * this.#quietCycles
    );
  }
}

/** The end of a fleet: measures how long nothing has been left to do. A stale cache may show an empty volume, but not for longer than a lease. */
export class Stillness {
  readonly #leaseMs: number;
  #since: number | undefined;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** `now`: on the monotonic clock, ms. `isFresh`: listings are never stale. */
  hasLasted(isNothingLeft: boolean, isFresh: boolean, now: number): boolean {
    this.#since = isNothingLeft ? (this.#since ?? now) : undefined;
    if (this.#since === undefined) return false;
    return isFresh || now - this.#since >= this.#leaseMs;
  }
}

/** With fewer available states per slot, other workers may need the claims of this one. */
const AMPLE_STATES_PER_SLOT = 2;

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
