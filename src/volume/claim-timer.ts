/** Age of this session's claims. A commit whose claim is older than a limit is verified against the archive before it counts. */

export class ClaimTimer {
  readonly #now: () => readonly number[];
  readonly #limitMs: number;
  readonly #since = new Map<string, readonly number[]>();

  /**
   * `now`: several clocks, ms. A monotonic clock stands still while its host sleeps, and the wall clock may be set, so a
   * claim is old as soon as one of them says so.
   */
  constructor(now: () => readonly number[], limitMs: number) {
    this.#now = now;
    this.#limitMs = limitMs;
  }

  /** Called before the link that makes the claim. */
  begin(name: string): void {
    this.#since.set(name, this.#now());
  }

  end(name: string): void {
    this.#since.delete(name);
  }

  /** True for an unknown claim, too. */
  isOld(name: string): boolean {
    const since = this.#since.get(name);
    if (since === undefined) return true;
    return this.#now().some((now, index) => Math.abs(now - since[index]!) >= this.#limitMs);
  }
}
