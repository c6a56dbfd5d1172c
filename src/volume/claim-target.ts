/** How many states a session is to hold, by how fast its worker gets through them. Times are milliseconds. */
import type { Clock } from '../engine/ports.ts';
import type { WorkerInfo } from '../engine/session.ts';
import {
  prefetchTarget,
  ThroughputEstimator,
  unstartedToKeep,
  type Forecast,
} from './phases/prefetch.ts';

export class ClaimTarget {
  readonly #clock: Clock;
  readonly #worker: Pick<WorkerInfo, 'slots'>;
  readonly #cycle: number;
  readonly #capacity: number;
  readonly #throughput: ThroughputEstimator;

  constructor(clock: Clock, worker: Pick<WorkerInfo, 'slots'>, cycle: number, capacity: number) {
    this.#clock = clock;
    this.#worker = worker;
    this.#cycle = cycle;
    this.#capacity = capacity;
    this.#throughput = new ThroughputEstimator(2 * cycle);
  }

  /** From now on the session holds something, or nothing. */
  work(isBusy: boolean): void {
    this.#throughput.work(isBusy, this.#clock.monotonic());
  }

  finished(duration: number): void {
    this.#throughput.finished(duration);
  }

  /** Ticks that begin within so many cycles from now. `ages`: for how long each has run that runs now. */
  forecast(cycles: number, ages: readonly number[]): Forecast {
    const idle = Math.max(0, this.#worker.slots() - ages.length);
    return this.#throughput.forecast({ ages, idle }, cycles * this.#cycle, this.#clock.monotonic());
  }

  /** States to hold, for so many cycles. */
  within(cycles: number, ages: readonly number[], isScarce: boolean): number {
    const prefetch = prefetchTarget(this.forecast(cycles, ages), isScarce);
    return Math.min(this.#capacity, this.#worker.slots() + prefetch);
  }

  /** Claims to keep whose ticks have not begun. */
  toKeep(ages: readonly number[], isScarce: boolean): number {
    return unstartedToKeep(this.forecast(1, ages), isScarce);
  }
}
