/** Cancellation of an attempt, with its cause. */

export type Cause = 'timed out' | 'aborted';

export interface Cancellable {
  readonly isCancelled: boolean;
  /** Only the first cause counts. */
  cancel(cause: Cause): void;
}

/** Of a tick in this thread. Most ticks never read their signal, so it is made when it is first read. */
export class Cancellation implements Cancellable {
  #cause: Cause | undefined;
  #controller: AbortController | undefined;

  get isCancelled(): boolean {
    return this.#cause !== undefined;
  }

  /** The same object each time. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cause !== undefined) this.#controller.abort(reasonFor(this.#cause));
    }
    return this.#controller.signal;
  }

  cancel(cause: Cause): void {
    this.#cause ??= cause;
    this.#controller?.abort(reasonFor(cause));
  }
}

/** The value of `signal.reason`. */
function reasonFor(cause: Cause): Error {
  return cause === 'timed out'
    ? new Error('timed out')
    : new DOMException('This operation was aborted', 'AbortError');
}
