/** A call of `take` that waits for tasks: one at a time. */
import type { Task } from './session.ts';

type Taken = readonly Task[] | 'drained';

interface Waiting {
  readonly limit: number;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: Error) => void;
}

export class PendingTake {
  readonly #onEnded: () => void;
  #waiting: Waiting | undefined;

  /** `onEnded`: called when a call has its answer, before its caller is told. */
  constructor(onEnded: () => void = () => undefined) {
    this.#onEnded = onEnded;
  }

  /** Tasks that need a slot and that it would take; undefined if no call waits. */
  get limit(): number | undefined {
    return this.#waiting?.limit;
  }

  /** Resolves by `answer`, or to none when `signal` aborts. */
  wait(limit: number, signal: AbortSignal): Promise<Taken> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        signal.removeEventListener('abort', onAbort);
        this.#waiting = undefined;
        this.#onEnded();
      };
      const onAbort = (): void => this.answer([]);
      signal.addEventListener('abort', onAbort);
      this.#waiting = {
        limit,
        resolve: (taken) => {
          end();
          resolve(taken);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
    });
  }

  answer(taken: Taken): void {
    this.#waiting?.resolve(taken);
  }

  fail(error: Error): void {
    this.#waiting?.reject(error);
  }
}
