/** The timeouts of all ticks that run, on one timer: it goes off at the first of them. */
import type { Clock } from '../engine/ports.ts';

interface Deadline {
  /** On the monotonic clock, ms. */
  readonly at: number;
  readonly onPassed: () => void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #pending = new Set<Deadline>();
  /** Never later than the first deadline; earlier, when that one was taken away. */
  #alarm: { readonly at: number; readonly off: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onPassed` once, `ms` from now, unless what is returned has been called before. */
  add(ms: number, onPassed: () => void): () => void {
    const deadline = { at: this.#clock.monotonic() + ms, onPassed };
    this.#pending.add(deadline);
    if (this.#alarm === undefined || deadline.at < this.#alarm.at) this.#set(deadline.at);
    return () => {
      if (this.#pending.delete(deadline) && this.#pending.size === 0) queueMicrotask(this.#rest);
    };
  }

  /** An alarm that is left would keep the process from ending; but often one tick begins as another ends. */
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

  /** Timers may go off early: what has not passed yet waits on. */
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
