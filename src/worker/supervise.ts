/** Supervises a running attempt until it ends, its timeout passes, or the worker aborts it. */
import { formatDuration } from '../machine/duration.ts';
import type { Cancellable, Cause } from './cancellation.ts';
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
