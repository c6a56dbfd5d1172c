/** Virtual time for tests: a clock, shared by all sessions, that only moves when a test calls `pass`. */
import { EventQueue } from '../../../src/sim/virtual-time.ts';
import type { Clock } from '../../../src/engine/ports.ts';

/** Not a whole second: a volume with only whole seconds in its time stamps would count as one with coarse stamps. */
const START_MS = 1_700_000_000_123;

/** Questions for the time in one moment: more are a loop that does not end. */
const MAX_LOOKS = 100_000;

export class VirtualTime {
  readonly queue: EventQueue = new EventQueue(START_MS);
  readonly clock: Clock = {
    now: () => this.now,
    monotonic: () => this.#look(),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const wake = (): void => {
          cancel();
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const cancel = this.queue.at(this.now + ms, wake);
        signal?.addEventListener('abort', wake, { once: true });
      }),
  };

  get now(): number {
    return this.queue.now;
  }

  #looks = { at: 0, count: 0 };

  /** Throws where a loop asks for the time again and again while none passes. */
  #look(): number {
    const { now } = this;
    this.#looks = { at: now, count: this.#looks.at === now ? this.#looks.count + 1 : 0 };
    if (this.#looks.count > MAX_LOOKS) throw new Error('expected time to pass, got none');
    return now;
  }

  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    this.queue.at(until, () => undefined);
    await this.queue.run(() => false, until);
  }
}
