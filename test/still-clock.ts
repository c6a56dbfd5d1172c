/** A clock that only moves when a test calls `pass`. */
import type { Clock } from '../src/engine/ports.ts';

interface Sleeper {
  readonly until: number;
  readonly wake: () => void;
}

export class StillClock implements Clock {
  #now = 0;
  readonly #sleepers = new Set<Sleeper>();
  /** Sleeps begun so far. */
  sleeps = 0;

  now = (): number => this.#now;

  monotonic = (): number => this.#now;

  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (ms < 0) throw new RangeError(`expected a sleep of 0 ms or more, got ${ms} ms`);
      this.sleeps += 1;
      if (signal?.aborted === true) return resolve();
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        resolve();
      };
      const sleeper = { until: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', wake, { once: true });
    });

  /** Number of pending timers. */
  get timers(): number {
    return this.#sleepers.size;
  }

  pass(ms: number): void {
    this.#now += ms;
    for (const { until, wake } of this.#sleepers) if (until <= this.#now) wake();
  }

  /** Fires all timers before their time. */
  fireEarly(): void {
    for (const { wake } of this.#sleepers) wake();
  }
}
