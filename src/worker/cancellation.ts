/** Telling an attempt to end, and for what reason. */

export type Cause = 'timed out' | 'aborted';

export interface Cancellable {
  readonly isCancelled: boolean;
  /** What comes after the first cause counts for nothing. */
  cancel(cause: Cause): void;
}

/** In this thread. Most ticks never look at their signal, and cost none. */
export class Cancellation implements Cancellable {
  #cause: Cause | undefined;
  #controller: AbortController | undefined;

  get isCancelled(): boolean {
    return this.#cause !== undefined;
  }

  /** Always the same one, made when it is first read. */
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

/** What a tick finds in `signal.reason`. */
function reasonFor(cause: Cause): Error {
  return cause === 'timed out'
    ? new Error('timed out')
    : new DOMException('This operation was aborted', 'AbortError');
}
