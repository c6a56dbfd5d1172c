/** The timeouts of all running ticks, on one timer: it fires at the first of them. */
import type { Clock } from '../engine/ports.ts';

interface Deadline {
  /** On the monotonic clock, ms. */
  readonly at: number;
  readonly onPassed: () => void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #pending = new Set<Deadline>();
  /** Invariant: at <= every pending deadline. Earlier than all, when the first one was removed. */
  #alarm: { readonly at: number; readonly off: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onPassed` once, `ms` from now. Returns a function that cancels it. */
  add(ms: number, onPassed: () => void): () => void {
    const deadline = { at: this.#clock.monotonic() + ms, onPassed };
    this.#pending.add(deadline);
    if (this.#alarm === undefined || deadline.at < this.#alarm.at) this.#set(deadline.at);
    return () => {
      if (this.#pending.delete(deadline) && this.#pending.size === 0) queueMicrotask(this.#rest);
    };
  }

  /** A pending alarm keeps the process from ending. Deferred: often one tick begins as another ends. */
  readonly #rest = (): void => {
    if (this.#pending.size === 0) this.#turnOff();
  };

  #turnOff(): void {
    this.#alarm?.off.abort();
    this.#alarm = undefined;
  }

  #set(at: number): void {
    this.#turnOff();
    const alarm = { at, off: new AbortController() };
    this.#alarm = alarm;
    const ms = Math.max(0, at - this.#clock.monotonic());
    void this.#clock.sleep(ms, alarm.off.signal).then(() => {
      if (this.#alarm === alarm) this.#expire();
      return undefined;
    });
  }

  /** Timers may fire early: deadlines that have not passed stay pending. */
  #expire(): void {
    this.#alarm = undefined;
    const now = this.#clock.monotonic();
    for (const deadline of this.#pending) {
      if (deadline.at > now) continue;
      this.#pending.delete(deadline);
      deadline.onPassed();
    }
    if (this.#pending.size > 0) this.#set(Math.min(...[...this.#pending].map(({ at }) => at)));
  }
}
