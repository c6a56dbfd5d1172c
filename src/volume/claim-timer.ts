/** For how long claims have been ours: whoever held one for very long looks twice before his result counts. */

export class ClaimTimer {
  readonly #now: () => readonly number[];
  readonly #limit: number;
  readonly #since = new Map<string, readonly number[]>();

  /**
   * Milliseconds. `now` reads several clocks: a monotonic one stands still while its host sleeps, and the
   * wall's may be set. What any of them says counts.
   */
  constructor(now: () => readonly number[], limit: number) {
    this.#now = now;
    this.#limit = limit;
  }

  /** To be called before the link that makes the claim. */
  begin(name: string): void {
    this.#since.set(name, this.#now());
  }

  end(name: string): void {
    this.#since.delete(name);
  }

  /** Also a claim that nobody has told us of. */
  isOld(name: string): boolean {
    const since = this.#since.get(name);
    if (since === undefined) return true;
    return this.#now().some((now, index) => Math.abs(now - since[index]!) >= this.#limit);
  }
}
