/** A sleep that can be ended: by a nudge, if there is a reason to get up by then. */
import type { Clock } from '../engine/ports.ts';

const AWAKE = 'awake';

export class Wakeup {
  readonly #clock: Clock;
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  signal(): void {
    // With a reason of our own: without one, each abort makes an exception, with its stack.
    this.#wake.abort(AWAKE);
  }

  /** For so many ms, or until a nudge finds that `until` holds; not at all if it does so already. */
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
