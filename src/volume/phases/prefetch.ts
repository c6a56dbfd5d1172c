/**
 * How many states a worker claims before it has a slot for them, and how many unstarted claims it keeps, by a forecast of how
 * many ticks it will begin within the next cycle. The rule: no claim waits, beyond one cycle, while a slot of another worker is
 * free.
 *
 * Problem: a claim that is made too early waits here, while a slot of another worker may be free; one that is made too late
 * leaves a slot idle until the next split. A rate (ticks finished in the last second) is not enough: two ticks of 30 s that
 * end together look like two per second.
 * Idea: a slot becomes free when its tick ends. Durations are known from the last MAX_SAMPLES ticks; a running tick has taken
 * `age` already, so only samples that are longer count for it (a right-censored observation).
 * Difficulty: a tick may be older than all samples, and at first there are few samples. Remedy: one more sample, a Pareto tail
 * with exponent 1: such a tick takes as long again as it has taken, or as the median, with a probability of one half.
 */
import { invariant } from '../../machine/invariant.ts';
import { firstIndex } from './ring.ts';

const MAX_SAMPLES = 64;

/** Number of ticks that will begin. Invariant: 0 <= mean, 0 <= deviation. */
export interface Forecast {
  readonly mean: number;
  /** Standard deviation. */
  readonly deviation: number;
}

/** The current use of a worker's slots. */
export interface SlotUse {
  /** Milliseconds since each running tick began. */
  readonly ages: readonly number[];
  /** Number of slots without a tick. */
  readonly idle: number;
}

const NO_TICKS: Forecast = { mean: 0, deviation: 0 };

/** All times are milliseconds; `now` is on the monotonic clock. */
export class ThroughputEstimator {
  readonly #memoryMs: number;
  readonly #durations = new Durations();
  #finished = 0;
  #busy = 0;
  #since: number | undefined;

  /** `memoryMs`: after this much busy time, earlier counts are halved. */
  constructor(memoryMs: number) {
    this.#memoryMs = memoryMs;
  }

  /** `busy`: from now on the worker holds states. */
  work(busy: boolean, now: number): void {
    this.#pass(now);
    this.#since = busy ? now : undefined;
  }

  /** Counts a finished tick, with its duration. */
  finished(duration: number): void {
    this.#finished += 1;
    this.#durations.add(Math.max(0, duration));
  }

  /** States finished per busy ms: claims and commits take their part of it, not only ticks. */
  rate(now: number): number {
    this.#pass(now);
    return this.#finished / Math.max(1, this.#busy);
  }

  /** Ticks that will begin within `horizon`, besides those that idle slots begin at once. Zero before a tick has finished. */
  forecast({ ages, idle }: SlotUse, horizon: number, now: number): Forecast {
    if (this.#durations.size === 0) return NO_TICKS;
    const ends = ages.map((age) => this.#durations.endWithin(age, horizon));
    const active = ends.reduce((sum, { probability }) => sum + probability, idle);
    const { share, mean: short } = this.#durations.upTo(horizon);
    const interval = Math.max(short, active / Math.max(this.rate(now), Number.MIN_VALUE));
    // A slot that is free after `wait` begins one tick, another when that was a short one, and so on.
    const begins = (wait: number): number => {
      const shortest = Math.max(interval, horizon / MAX_TICKS_PER_SLOT);
      const rounds = Math.floor(Math.max(0, horizon - wait) / shortest);
      return share === 1 ? 1 + rounds : (1 - share ** (rounds + 1)) / (1 - share);
    };
    let mean = idle * (begins(0) - 1);
    let variance = 0;
    for (const { probability, wait } of ends) {
      const count = begins(wait);
      mean += probability * count;
      variance += probability * (1 - probability) * count ** 2;
    }
    const deviation = Math.sqrt(variance);
    const isNumber = Number.isFinite(mean) && Number.isFinite(deviation);
    invariant(isNumber, 'I7: expected a finite number of ticks to begin');
    return { mean, deviation };
  }

  #pass(now: number): void {
    if (this.#since === undefined) return;
    this.#busy += now - this.#since;
    this.#since = now;
    while (this.#busy > this.#memoryMs) {
      this.#busy /= 2;
      this.#finished /= 2;
    }
  }
}

/** Most ticks that one slot may begin within the horizon. */
const MAX_TICKS_PER_SLOT = 100_000;

interface End {
  readonly probability: number;
  /** Mean milliseconds until then, if it ends. */
  readonly wait: number;
}

/** Samples in ascending order. `sums`: at index `n`, the sum of the first `n`. */
interface Order {
  readonly sorted: readonly number[];
  readonly sums: readonly number[];
}

/** The last MAX_SAMPLES durations. They are sorted by the first forecast after one was added: many ticks may end in between. */
class Durations {
  readonly #latest: number[] = [];
  #order: Order | undefined;

  get size(): number {
    return this.#latest.length;
  }

  add(duration: number): void {
    if (this.#latest.length === MAX_SAMPLES) this.#latest.shift();
    this.#latest.push(duration);
    this.#order = undefined;
  }

  #inOrder(): Order {
    if (this.#order !== undefined) return this.#order;
    const sorted = this.#latest.toSorted((a, b) => a - b);
    const sums = [0];
    for (const one of sorted) sums.push(sums.at(-1)! + one);
    return (this.#order = { sorted, sums });
  }

  /** The end of a tick that has run for `age`, within `horizon`. */
  endWithin(age: number, horizon: number): End {
    const { sorted, sums } = this.#inOrder();
    const ended = this.#countUpTo(age);
    const ending = this.#countUpTo(age + horizon);
    const count = ending - ended;
    const tail = horizon / (horizon + Math.max(age, sorted[this.size >> 1]!));
    const weight = count + tail;
    const rest = sums[ending]! - sums[ended]! - count * age;
    const wait = (rest + (tail * horizon) / 2) / weight;
    return { probability: weight / (this.size - ended + 1), wait };
  }

  /** The part of the samples that is no longer than `limit`, and their mean. */
  upTo(limit: number): { readonly share: number; readonly mean: number } {
    const count = this.#countUpTo(limit);
    return { share: count / this.size, mean: this.#inOrder().sums[count]! / Math.max(1, count) };
  }

  /** Samples that are no longer than `limit`. */
  #countUpTo(limit: number): number {
    const { sorted } = this.#inOrder();
    return firstIndex(this.size, (index) => sorted[index]! <= limit);
  }
}

/** A forecast is not exact: a claim that was right a moment ago is not released without need. */
const TOLERANCE_FACTOR = 2;
/** Standard deviations below the mean: at least so many ticks begin in 19 of 20 cycles. */
const KEPT_DEVIATIONS = 2;

/** Most unstarted claims to have. If states are scarce, another worker may begin them sooner. */
export function prefetchTarget({ mean }: Forecast, isScarce: boolean): number {
  return isScarce ? 0 : Math.round(mean);
}

/** Unstarted claims to keep: if states are scarce, only those that will very likely begin within the next cycle. */
export function unstartedToKeep({ mean, deviation }: Forecast, isScarce: boolean): number {
  return isScarce
    ? Math.round(Math.max(0, mean - KEPT_DEVIATIONS * deviation))
    : TOLERANCE_FACTOR * Math.round(mean);
}
