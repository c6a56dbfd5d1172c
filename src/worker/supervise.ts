/** Supervises a running attempt until it ends, its timeout passes (`Deadlines`), or the worker aborts it (`Cancellation`). */
import { formatDuration } from '../machine/duration.ts';
import type { Clock } from '../engine/ports.ts';
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

interface Deadline {
  /** On the monotonic clock, ms. */
  readonly at: number;
  readonly onPassed: () => void;
}

/** The timeouts of all running ticks, on one timer: it fires at the first of them. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #pending = new Set<Deadline>();
  /** Invariant: at <= every pending deadline. Earlier than all, when the first one was removed. */
  #alarm: { readonly at: number; readonly off: AbortController } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `onPassed` once, `ms` from now. Returns a function that cancels it. */
  add(ms: number, onPassed: () => void): () => void {
    const deadline = { at: this.#clock.monotonic() + ms, onPassed };
    this.#pending.add(deadline);
    if (this.#alarm === undefined || deadline.at < this.#alarm.at) this.#set(deadline.at);
    return () => {
      if (this.#pending.delete(deadline) && this.#pending.size === 0) queueMicrotask(this.#rest);
    };
  }

  /** A pending alarm keeps the process from ending. Deferred: often one tick begins as another ends. */
  readonly #rest = (): void => {
    if (this.#pending.size === 0) this.#turnOff();
  };

  #turnOff(): void {
    this.#alarm?.off.abort();
    this.#alarm = undefined;
  }

  #set(at: number): void {
    this.#turnOff();
    const alarm = { at, off: new AbortController() };
    this.#alarm = alarm;
    const ms = Math.max(0, at - this.#clock.monotonic());
    void this.#clock.sleep(ms, alarm.off.signal).then(() => {
      if (this.#alarm === alarm) this.#expire();
      return undefined;
    });
  }

  /** Timers may fire early: deadlines that have not passed stay pending. */
  #expire(): void {
    this.#alarm = undefined;
    const now = this.#clock.monotonic();
    for (const deadline of this.#pending) {
      if (deadline.at > now) continue;
      this.#pending.delete(deadline);
      deadline.onPassed();
    }
    if (this.#pending.size > 0) this.#set(Math.min(...[...this.#pending].map(({ at }) => at)));
  }
}
