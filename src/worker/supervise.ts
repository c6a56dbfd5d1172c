/** Supervises a running attempt until it ends, its timeout passes, or the worker aborts it. */
import { formatDuration } from '../machine/duration.ts';
import type { Deadlines } from './deadlines.ts';
import type { TickResult, TickTask } from './ports.ts';

interface Supervision {
  readonly cancellable: Cancellable;
  readonly workerSignal: AbortSignal;
  readonly deadlines: Deadlines;
  /** True: once cancelled, the attempt is abandoned and its result ignored. False: its end is awaited. */
  readonly mayBeAbandoned: boolean;
}

/** `attempt` must not reject. Its timeout begins now. */
export function supervise(
  task: TickTask,
  attempt: Promise<TickResult>,
  { cancellable, workerSignal, deadlines, mayBeAbandoned }: Supervision,
): Promise<TickResult> {
  const { timeout } = task.activity;
  return new Promise((resolve) => {
    const finish = (result: TickResult): void => {
      resolve(cancellable.isCancelled ? interrupted() : result);
      endDeadline();
      workerSignal.removeEventListener('abort', onAbort);
    };
    const interrupted = (): TickResult =>
      workerSignal.aborted ? { kind: 'aborted' } : timedOut(timeout);
    const cancel = (cause: Cause): void => {
      cancellable.cancel(cause);
      if (mayBeAbandoned) finish(interrupted());
    };
    const onAbort = (): void => cancel('aborted');
    const endDeadline = deadlines.add(timeout, () => cancel('timed out'));
    workerSignal.addEventListener('abort', onAbort);
    if (workerSignal.aborted) onAbort();
    void attempt.then(finish);
  });
}

function timedOut(timeout: number): TickResult {
  return { kind: 'failed', error: { message: `timed out after ${formatDuration(timeout)}` } };
}

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
