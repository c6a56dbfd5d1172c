/** A timer that is set again and again: the earliest of its times counts. */
import type { Clock } from './ports.ts';

export class Alarm {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #at = Number.POSITIVE_INFINITY;
  #sleep: AbortController | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** `at`: monotonic, ms. Infinite: never. Calls `onDue` later, never at once. */
  set(at: number): void {
    if (at >= this.#at) return;
    this.clear();
    this.#at = at;
    const sleep = new AbortController();
    this.#sleep = sleep;
    const ms = Math.max(1, at - this.#clock.monotonic());
    void this.#clock.sleep(ms, sleep.signal).then(() => {
      if (sleep.signal.aborted) return undefined;
      this.clear();
      return this.#onDue();
    });
  }

  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
    // With a reason: without one each abort makes an exception, with its stack.
    this.#sleep?.abort('cleared');
    this.#sleep = undefined;
  }
}
