/** How fast a worker gets through states: of what is finished, and of how long it took with something in hand. */

/** All times are milliseconds on the monotonic clock. */
export class Pace {
  readonly #memory: number;
  #finished = 0;
  #busy = 0;
  #since: number | undefined;

  /** What is older than `memory` counts half, and so on. */
  constructor(memory: number) {
    this.#memory = memory;
  }

  /** From now on there is something to do, or there is nothing. */
  work(busy: boolean, now: number): void {
    this.#pass(now);
    this.#since = busy ? now : undefined;
  }

  finished(count: number): void {
    this.#finished += count;
  }

  /** States that it gets through in so many ms. 0 before the first is finished. */
  in(ms: number, now: number): number {
    this.#pass(now);
    return (this.#finished / Math.max(1, this.#busy)) * ms;
  }

  #pass(now: number): void {
    if (this.#since === undefined) return;
    this.#busy += now - this.#since;
    this.#since = now;
    while (this.#busy > this.#memory) {
      this.#busy /= 2;
      this.#finished /= 2;
    }
  }
}
