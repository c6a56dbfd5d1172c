/** A sleep that a signal ends early if there is a reason to. */
import type { Clock } from '../engine/ports.ts';

const AWAKE = 'awake';

export class Wakeup {
  readonly #clock: Clock;
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  signal(): void {
    // Without a reason of our own, each abort creates an exception with its stack.
    this.#wake.abort(AWAKE);
  }

  /** Sleeps for `ms`, or until a signal finds that `until` holds; not at all if it holds already. */
  async sleep(ms: number, until: () => boolean): Promise<void> {
    const end = this.#clock.monotonic() + ms;
    for (;;) {
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      const left = end - this.#clock.monotonic();
      if (until() || left <= 0) return;
      await this.#clock.sleep(left, this.#wake.signal);
    }
  }
}
