/** Runs one attempt at one step, and always comes back: with an answer, a failure, or because it had to. */
import { checkAnswer } from '../machine/answer.ts';
import type { RunnableActivity, TickContext } from '../machine/definition.ts';
import { formatDuration } from '../machine/duration.ts';
import { FatalError } from '../machine/errors.ts';
import type { Clock } from '../semaphore/ports.ts';
import { runCommand } from './command.ts';
import type { Execute, Log, TickResult, TickTask } from './ports.ts';

export interface ExecutorOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Where `print` goes: a line of data. */
  readonly print: (line: string) => void;
  /** Scales `pause`: `--example-delay`. */
  readonly pauseScale: number;
}

const TIMED_OUT = Symbol('timed out');

export function createExecute(options: ExecutorOptions): Execute {
  return async (task, workerSignal) => {
    const limit = new AbortController();
    const signal = AbortSignal.any([workerSignal, limit.signal]);
    const finished = new AbortController();
    const timeout = options.clock
      .sleep(task.activity.timeout, AbortSignal.any([finished.signal, workerSignal]))
      .then((): typeof TIMED_OUT => TIMED_OUT);
    try {
      const attempt = perform(task, signal, options);
      // A tick that does not listen to its signal is left behind; what it says later counts for nothing.
      attempt.catch(() => undefined);
      const first = await Promise.race([attempt, timeout]);
      if (first !== TIMED_OUT) return first;
      limit.abort(new Error('timed out'));
      // A command is only over when its processes are gone.
      if (task.activity.kind === 'command') await attempt.catch(() => undefined);
      if (workerSignal.aborted) return { kind: 'aborted' };
      const message = `timed out after ${formatDuration(task.activity.timeout)}`;
      return { kind: 'failed', error: { message } };
    } catch (error) {
      return workerSignal.aborted ? { kind: 'aborted' } : failed(error);
    } finally {
      finished.abort();
    }
  };
}

async function perform(
  task: TickTask,
  signal: AbortSignal,
  options: ExecutorOptions,
): Promise<TickResult> {
  const { activity } = task;
  const answer =
    activity.kind === 'command'
      ? await runCommand(task, activity, signal, (line) => report(options.log, task, line))
      : checkAnswer(await tick(task, activity, signal, options));
  return { kind: 'answer', answer };
}

function report(log: Log, task: TickTask, line: string, facts: Record<string, unknown> = {}): void {
  log.info({ ...facts, state: task.name, machine: task.machine }, line);
}

async function tick(
  task: TickTask,
  activity: Extract<RunnableActivity, { kind: 'tick' }>,
  signal: AbortSignal,
  options: ExecutorOptions,
): Promise<unknown> {
  const context: TickContext = {
    instance: task.instance,
    state: task.state,
    payload: structuredClone(task.payload),
    attempt: task.attempt,
    idempotencyKey: task.idempotencyKey,
    signal,
    print: options.print,
    log: (message, facts) => report(options.log, task, message, facts),
    pause: async (ms) => {
      await options.clock.sleep(ms * options.pauseScale, signal);
      signal.throwIfAborted();
    },
  };
  return activity.tick(context);
}

function failed(error: unknown): TickResult {
  const isError = error instanceof Error;
  // By name too: a user's module may have been loaded with another copy of this package.
  const fatal = error instanceof FatalError || (isError && error.name === 'FatalError');
  return {
    kind: 'failed',
    error: {
      message: isError ? error.message || error.name : `the tick threw ${String(error)}`,
      ...(isError && error.stack !== undefined && { stack: error.stack }),
      ...(fatal && { fatal }),
    },
  };
}
