/** An attempt under way: until it comes back, its timeout passes, or the worker takes it back. */
import { formatDuration } from '../machine/duration.ts';
import type { Cancellable, Cause } from './cancellation.ts';
import type { Deadlines } from './deadlines.ts';
import type { TickResult, TickTask } from './ports.ts';

interface Supervision {
  readonly cancellable: Cancellable;
  readonly workerSignal: AbortSignal;
  readonly deadlines: Deadlines;
  /** Cancelled, it is left behind, and what it says later counts for nothing. Otherwise it is waited for. */
  readonly mayBeLeft: boolean;
}

/** `attempt` does not reject. The time of its timeout begins now. */
export function supervise(
  task: TickTask,
  attempt: Promise<TickResult>,
  { cancellable, workerSignal, deadlines, mayBeLeft }: Supervision,
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
      if (mayBeLeft) finish(interrupted());
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
