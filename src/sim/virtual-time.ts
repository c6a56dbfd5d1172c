/** Virtual time: the true time, which jumps from one action to the next, and the clocks of simulated hosts, which do not agree with it. */

interface Entry {
  readonly time: number;
  /** Entries for the same time run in the order in which they were made. */
  readonly order: number;
  act: (() => void) | undefined;
}

/** A priority queue of actions by their time. */
export class EventQueue {
  /** The true time, ms since the epoch; workers see only their host's clock. */
  now: number;
  /** Events so far. */
  events = 0;
  #order = 0;
  readonly #heap: Entry[] = [];

  constructor(start: number) {
    this.now = start;
  }

  /** Returns a function that cancels it. */
  at(time: number, act: () => void): () => void {
    const entry: Entry = { time: Math.max(time, this.now), order: (this.#order += 1), act };
    this.#push(entry);
    return () => (entry.act = undefined);
  }

  /** Runs until `isOver`, until the queue is empty, or until the time `limit`. */
  async run(isOver: () => boolean, limit: number = Number.POSITIVE_INFINITY): Promise<void> {
    await settled();
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.time > limit) {
        this.now = Math.max(this.now, Math.min(limit, next?.time ?? this.now));
        return;
      }
      this.#pop();
      if (next.act === undefined) continue;
      this.now = next.time;
      this.events += 1;
      next.act();
      await settled();
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** Node runs `nextTick` callbacks when no promise job is left: all code under test then waits for the queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

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

/** The clocks of one simulated host: they drift, jitter, are set, and sometimes return NaN. */
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
