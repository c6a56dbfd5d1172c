/** Measures how long nothing has been left to do: a stale cache may show an empty volume, but not for longer than a lease. */
export class Stillness {
  readonly #leaseMs: number;
  #since: number | undefined;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** `now`: on the monotonic clock, ms. `isFresh`: listings are never stale. */
  hasLasted(isNothingLeft: boolean, isFresh: boolean, now: number): boolean {
    this.#since = isNothingLeft ? (this.#since ?? now) : undefined;
    if (this.#since === undefined) return false;
    return isFresh || now - this.#since >= this.#leaseMs;
  }
}
