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

import { isStateName } from '../machine/name.ts';

/** Above this, a listing is cheaper. */
const MAX_NAMES = 4096;

/** Names of file events since the last `take`. Hints: some may be missing. */
export class FileHints {
  #names: Set<string> | undefined = new Set();

  /** Undefined: the name of the changed file is unknown. */
  note(name: string | undefined): void {
    // Only state files are of interest.
    if (name !== undefined && !isStateName(name)) return;
    if (name === undefined || this.#names === undefined || this.#names.size >= MAX_NAMES) {
      this.#names = undefined;
    } else {
      this.#names.add(name);
    }
  }

  /** Undefined if there may be more than the noted names. */
  take(): ReadonlySet<string> | undefined {
    const names = this.#names;
    this.#names = new Set();
    return names;
  }
}
