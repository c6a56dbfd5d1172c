/** Time of its own: it passes when a test says so, and for everybody at once. */
import { EventQueue } from '../../src/sim/event-queue.ts';
import type { Clock } from '../../src/engine/ports.ts';

/** No whole second: a volume that stamps only those would seem to be a coarse one. */
const START = 1_700_000_000_123;

export class Time {
  readonly queue: EventQueue = new EventQueue(START);
  readonly clock: Clock = {
    now: () => this.queue.now,
    monotonic: () => this.queue.now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) return resolve();
        const wake = (): void => {
          cancel();
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const cancel = this.queue.at(this.queue.now + ms, wake);
        signal?.addEventListener('abort', wake, { once: true });
      }),
  };

  async pass(ms: number): Promise<void> {
    const until = this.queue.now + ms;
    this.queue.at(until, () => undefined);
    await this.queue.run(() => false, until);
  }

  /** Until `what` has happened; throws if it has not after `limit` ms. */
  async until<T>(what: Promise<T>, limit: number): Promise<T> {
    let isOver = false;
    const end = (): void => void (isOver = true);
    what.then(end, end);
    await this.queue.run(() => isOver, this.queue.now + limit);
    if (!isOver) throw new Error(`it does not come to an end in ${limit} ms`);
    return what;
  }
}
