/**
 * `--threads auto`: a tick runs in the worker's own thread, until its activity has kept that from everything else. From
 * then on the activity runs in threads; they are started when the first one needs them.
 */
import type { RunnableActivity } from '../machine/definition.ts';
import { formatDuration } from '../machine/duration.ts';
import { createExecute } from './executor.ts';
import type { Log } from '../engine/ports.ts';
import type { TickTask } from './ports.ts';
import { startThreads, type Threads, type ThreadsOptions } from './threads.ts';

/** Milliseconds: people are told of a tick that has blocked the thread for so long. */
const LONG = 1000;
/** Milliseconds a tick: one among thousands that are quick was kept waiting itself, by a full processor say. */
const LITTLE = 1;

export function startAutoThreads(options: ThreadsOptions): Threads {
  const moved = new WeakSet<RunnableActivity>();
  const calls = new WeakMap<RunnableActivity, number>();
  let pool: Threads | undefined;
  const inThread: Threads['execute'] = (task, signal) =>
    (pool ??= startThreads(options)).execute(task, signal);
  const onBlocked = (task: TickTask, ms: number): void => {
    const { activity, machine, state } = task;
    if (ms / calls.get(activity)! < LITTLE) return;
    moved.add(activity);
    const remedy = `activity ${state} of machine ${machine} runs in a thread from now on`;
    sayBlocked(options.log, task, ms, remedy);
  };
  const inOwn = createExecute({ ...options, onBlocked });
  return {
    execute: (task, signal) => {
      const { activity } = task;
      if (activity.kind === 'command') return inOwn(task, signal);
      if (task.isSuspect === true || moved.has(activity)) return inThread(task, signal);
      calls.set(activity, (calls.get(activity) ?? 0) + 1);
      return inOwn(task, signal);
    },
    close: async () => pool?.close(),
  };
}

/** A warning, if it was for long. */
export function sayBlocked(log: Log, task: TickTask, ms: number, remedy: string): void {
  const { name, machine, activity } = task;
  const late =
    ms > activity.timeout ? `, longer than its timeout of ${formatDuration(activity.timeout)}` : '';
  const message = `the tick of ${name} blocked this worker's thread for ${formatDuration(ms)}${late}; ${remedy}`;
  log[ms < LONG ? 'info' : 'warn']({ state: name, machine, blocked: Math.round(ms) }, message);
}
