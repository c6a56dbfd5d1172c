/**
 * Checks the holds of an engine's sessions (I6): a state is handed out to one session at a time, and a lost hold is counted as
 * an attempt.
 */
import type { Hold, Session, Settled, Task } from '../engine/session.ts';

interface KnownHold {
  readonly session: Session;
  readonly task: Hold;
  /** True time, ms. */
  deadline: number;
  isSettling: boolean;
}

export class HoldChecker {
  readonly #now: () => number;
  readonly #holds = new Map<string, KnownHold>();
  readonly #killed = new Set<Session>();
  /** Number of attempts by state; undefined after what may have left any number. */
  readonly #attempts = new Map<string, number | undefined>();

  constructor(now: () => number) {
    this.#now = now;
  }

  killed(session: Session): void {
    this.#killed.add(session);
  }

  /** A session promises an outcome by `at`. */
  promised(hold: Hold, at: number): void {
    const held = this.#of(hold);
    if (held !== undefined) held.deadline = at;
  }

  /** Undefined if it was handed out again meanwhile, perhaps to the same session. */
  #of(hold: Hold): KnownHold | undefined {
    const held = this.#holds.get(hold.name);
    return held?.task === hold ? held : undefined;
  }

  /** Returns what is wrong with this take, if anything. */
  taken(session: Session, task: Task): string | undefined {
    const { name, attempts, session: by } = task;
    const before = this.#holds.get(name);
    const deadline = Number.POSITIVE_INFINITY;
    this.#holds.set(name, { session, task, deadline, isSettling: false });
    let expected = this.#attempts.has(name) ? this.#attempts.get(name) : 0;
    if (before?.isSettling === true) expected = undefined;
    else if (before !== undefined) {
      if (this.#isValid(before))
        return `expected one session to hold ${name}, got it handed out to ${by} as well`;
      if (expected !== undefined) expected += 1;
    }
    const got = attempts.length;
    this.#attempts.set(name, got);
    return expected === undefined || expected === got
      ? undefined
      : `expected ${expected} attempts of ${name} when it is handed out to ${by}, got ${got}`;
  }

  /** A settlement of this hold is on its way. */
  settling(hold: Hold): void {
    const held = this.#of(hold);
    if (held !== undefined) held.isSettling = true;
  }

  /** Returns what is wrong with the answer, if anything. */
  settled(hold: Hold, settled: Settled): string | undefined {
    const { name } = hold;
    const held = this.#of(hold);
    if (held !== undefined) held.isSettling = false;
    if (settled === 'lost' || settled === 'unsure') {
      const isValid = held !== undefined && this.#isValid(held);
      return isValid ? `expected the holder of ${name} to settle it, got ${settled}` : undefined;
    }
    if (held !== undefined) this.#holds.delete(name);
    return held === undefined
      ? `expected only the holder of ${name} to settle it, got another`
      : undefined;
  }

  retried(name: string): void {
    const attempts = this.#attempts.get(name);
    this.#attempts.set(name, attempts === undefined ? undefined : attempts + 1);
  }

  /** No attempt of the state counts any more, unless a hold of it is still to be lost. */
  reset(name: string): void {
    this.#attempts.set(name, this.#holds.has(name) ? undefined : 0);
  }

  /** False for a hold that may have expired. */
  isHeld(name: string): boolean {
    const held = this.#holds.get(name);
    return held !== undefined && this.#isValid(held);
  }

  #isValid({ session, deadline }: KnownHold): boolean {
    return !this.#killed.has(session) && this.#now() < deadline;
  }
}
