/** The clocks of one simulated host: they drift, jitter, are set, and sometimes show nothing sensible. */

export interface ClockTraits {
  /** Milliseconds by which the wall clock is off at first. */
  readonly offset: number;
  /** Parts of one by which both clocks run fast. */
  readonly drift: number;
  /** Milliseconds that a reading of the wall clock may be off. */
  readonly jitter: number;
}

/** Whoever reads it so often at one moment goes round for ever: nothing that takes time is in the way. */
const MAX_READINGS_AT_A_TIME = 1_000_000;

export class HostClock {
  readonly #now: () => number;
  readonly #chance: () => number;
  readonly #traits: ClockTraits;
  readonly #start: number;
  /** Where the monotonic clock began means nothing. */
  readonly #origin: number;
  #stepped = 0;
  /** Real milliseconds that the monotonic clock has not counted, and until when it counts none. */
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

  /** Somebody sets the wall clock, `ms` forwards or (negative) backwards. */
  step(ms: number): void {
    this.#stepped += ms;
  }

  /** From now on the wall clock says NaN, or does no more. */
  set broken(broken: boolean) {
    this.#broken = broken;
  }

  get isJittery(): boolean {
    return this.#traits.jitter > 0;
  }

  /** How long a sleep of `ms` on this host really is. */
  real(ms: number): number {
    return ms / (1 + this.#traits.drift);
  }

  #elapsed(): number {
    const now = this.#now();
    this.#readings = now === this.#read ? this.#readings + 1 : 0;
    this.#read = now;
    if (this.#readings > MAX_READINGS_AT_A_TIME)
      throw new Error('it goes round and round, and no time passes');
    return (now - this.#start) * (1 + this.#traits.drift);
  }
}
