/**
 * How many commands run at a time: as many as there are file descriptors for, and fewer for a while after the system
 * has refused one. Those that find no room wait; the first that came is the first that begins.
 */

/** Milliseconds for which a refusal counts. */
const REMEMBERED_MS = 30_000;
/** Of those that ran when the system refused another, so many may run: the worker itself needs something, too. */
const PART_AFTER_REFUSAL = 0.75;

export class CommandLimit {
  readonly #usual: number;
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #refused: { readonly most: number; readonly until: number } | undefined;

  /** `now`: the monotonic clock, ms. */
  constructor(usual: number, now: () => number) {
    this.#usual = usual;
    this.#now = now;
  }

  get most(): number {
    if (this.#refused !== undefined && this.#now() < this.#refused.until) return this.#refused.most;
    this.#refused = undefined;
    return this.#usual;
  }

  /** True if one more may begin, and counts from now on. */
  enter(): boolean {
    if (this.#running >= this.most) return false;
    this.#running += 1;
    return true;
  }

  leave(): void {
    this.#running -= 1;
    this.#waiting.shift()?.();
  }

  /** The system could not start the one that has entered: it leaves, and the others are all that may run for a while. */
  refuse(): void {
    this.#running -= 1;
    const most = Math.max(1, Math.floor(this.#running * PART_AFTER_REFUSAL));
    this.#refused = { most, until: this.#now() + REMEMBERED_MS };
  }

  /** Calls `onRoom` once, when another has left; what is returned takes it back. */
  wait(onRoom: () => void): () => void {
    this.#waiting.push(onRoom);
    return () => {
      const index = this.#waiting.indexOf(onRoom);
      if (index !== -1) this.#waiting.splice(index, 1);
    };
  }
}
