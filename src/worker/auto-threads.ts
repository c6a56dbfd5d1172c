/**
 * `--threads auto`: ticks run in the worker's own thread. An activity that has blocked it runs in separate threads from then
 * on; these are started when they are first needed.
 */
import type { RunnableActivity } from '../machine/definition.ts';
import { createExecute } from './executor.ts';
import type { Log } from '../engine/ports.ts';
import type { TickTask } from './ports.ts';
import type { Threads, ThreadsOptions } from './threads.ts';

/** A tick that has blocked the thread for so long is a warning. */
const WARN_BLOCKED_MS = 1000;
/** Mean per call: below it the activity is quick, and the slow call was itself delayed, by a full processor say. */
const QUICK_MEAN_MS = 1;

export function startAutoThreads(options: ThreadsOptions): Threads {
  const moved = new WeakSet<RunnableActivity>();
  const calls = new WeakMap<RunnableActivity, number>();
  let pool: Promise<Threads> | undefined;
  const start = async (): Promise<Threads> => {
    // Most workers need no threads, and the module takes long to load.
    const { startThreads } = await import('./threads.ts');
    return startThreads(options);
  };
  const inThread: Threads['execute'] = async (task, signal) =>
    (await (pool ??= start())).execute(task, signal);
  const onBlocked = (task: TickTask, ms: number): void => {
    const { activity } = task;
    if (ms / calls.get(activity)! < QUICK_MEAN_MS) return;
    moved.add(activity);
    logBlocked(options.log, task, ms, 'its activity runs in a separate thread from now on');
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
    close: async () => (await pool)?.close(),
  };
}

/** `remedy`: a fixed text. */
export function logBlocked(log: Log, task: TickTask, ms: number, remedy: string): void {
  const { name, machine, state: activity } = task;
  const late = ms > task.activity.timeout && { timeoutMs: task.activity.timeout };
  const fields = { state: name, machine, activity, blockedMs: Math.round(ms), ...late };
  log[ms < WARN_BLOCKED_MS ? 'info' : 'warn'](
    fields,
    `tick blocked this worker's thread; ${remedy}`,
  );
}
