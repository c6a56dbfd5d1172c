/** The clocks of one simulated host: they drift, jitter, are set, and sometimes return NaN. */

export interface ClockTraits {
  /** Initial error of the wall clock, ms. */
  readonly offset: number;
  /** Fraction by which both clocks run fast. */
  readonly drift: number;
  /** Width of the random error of a wall clock reading, ms. */
  readonly jitter: number;
}

/** More readings without time passing are a busy loop. */
const MAX_READINGS_AT_A_TIME = 1_000_000;

export class HostClock {
  readonly #now: () => number;
  readonly #chance: () => number;
  readonly #traits: ClockTraits;
  readonly #start: number;
  /** An arbitrary start of the monotonic clock. */
  readonly #origin: number;
  #stepped = 0;
  /** True milliseconds that the monotonic clock did not count, and the time until which it stands still. */
  #slept = 0;
  #asleepUntil = Number.NEGATIVE_INFINITY;
  #broken = false;
  #read = Number.NaN;
  #readings = 0;

  constructor(now: () => number, chance: () => number, traits: ClockTraits) {
    this.#now = now;
    this.#chance = chance;
    this.#traits = traits;
    this.#start = now();
    this.#origin = Math.floor(chance() * 1e6);
  }

  wall(): number {
    if (this.#broken) return Number.NaN;
    const { offset, jitter } = this.#traits;
    return this.#start + this.#elapsed() + offset + this.#stepped + (this.#chance() - 0.5) * jitter;
  }

  monotonic(): number {
    const slept = this.#slept - this.asleep;
    return this.#origin + this.#elapsed() - slept * (1 + this.#traits.drift);
  }

  /** Milliseconds until the host wakes. */
  get asleep(): number {
    return Math.max(0, this.#asleepUntil - this.#now());
  }

  /** The host is suspended: for `ms` its monotonic clock stands still. */
  sleep(ms: number): void {
    const more = Math.max(0, ms - this.asleep);
    this.#slept += more;
    this.#asleepUntil = this.#now() + this.asleep + more;
  }

  /** Sets the wall clock `ms` forwards, or backwards if negative. */
  step(ms: number): void {
    this.#stepped += ms;
  }

  /** While true, the wall clock returns NaN. */
  set broken(broken: boolean) {
    this.#broken = broken;
  }

  get isJittery(): boolean {
    return this.#traits.jitter > 0;
  }

  /** True length of a sleep of `ms` on this host. */
  real(ms: number): number {
    return ms / (1 + this.#traits.drift);
  }

  #elapsed(): number {
    const now = this.#now();
    this.#readings = now === this.#read ? this.#readings + 1 : 0;
    this.#read = now;
    if (this.#readings > MAX_READINGS_AT_A_TIME)
      throw new Error('expected time to pass, got a busy loop of clock readings');
    return (now - this.#start) * (1 + this.#traits.drift);
  }
}
