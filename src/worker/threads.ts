/** `--threads`: the interface of the pool of threads (thread-pool.ts), and `auto`, which starts the pool when it is first needed. */
import type { RunnableActivity } from '../machine/definition.ts';
import type { Registry } from '../machine/registry.ts';
import type { Log } from '../engine/ports.ts';
import { createExecute, type ExecutorOptions } from './executor.ts';
import type { Execute, TickTask } from './ports.ts';

/** A tick that has blocked the thread for so long is a warning. */
const WARN_BLOCKED_MS = 1000;
/** Mean per call: below it the activity is quick, and the slow call was itself delayed, by a full processor say. */
const QUICK_MEAN_MS = 1;

export interface ThreadsOptions extends ExecutorOptions {
  readonly threads: number;
  /** Threads that are started at once; the others are started when they are needed. */
  readonly minThreads: number;
  /** Module that each thread runs. */
  readonly entry: URL;
  /** The current machines: another object after files were reloaded. */
  readonly registry: () => Registry;
  /** Files from which each thread loads the same machines. */
  readonly machines: readonly string[];
  /** How often they were reloaded. */
  readonly machinesVersion: () => number;
  /**
   * Milliseconds that a tick may wait for a thread; after that it is aborted and its state given back. Its timeout begins
   * only with the tick, but its hold expires a lease after the deadline that the worker set when it handed the tick over.
   */
  readonly maxWaitMs: number;
}

export interface Threads {
  readonly execute: Execute;
  /** Resolves when no thread is left. */
  close(): Promise<void>;
}

/**
 * `--threads auto`: ticks run in the worker's own thread. An activity that has blocked it runs in separate threads from then
 * on; these are started when they are first needed.
 */
export function startAutoThreads(options: ThreadsOptions): Threads {
  const moved = new WeakSet<RunnableActivity>();
  const calls = new WeakMap<RunnableActivity, number>();
  let pool: Promise<Threads> | undefined;
  const start = async (): Promise<Threads> => {
    // Most workers need no threads, and the module takes long to load.
    const { startThreads } = await import('./thread-pool.ts');
    return startThreads(options);
  };
  const inThread: Threads['execute'] = async (task, source) =>
    (await (pool ??= start())).execute(task, source);
  const onBlocked = (task: TickTask, ms: number): void => {
    const { activity } = task;
    if (ms / calls.get(activity)! < QUICK_MEAN_MS) return;
    moved.add(activity);
    logBlocked(options.log, task, ms, 'its activity runs in a separate thread from now on');
  };
  const inOwn = createExecute({ ...options, onBlocked });
  return {
    execute: (task, source) => {
      const { activity } = task;
      if (activity.kind === 'command') return inOwn(task, source);
      if (task.isSuspect === true || moved.has(activity)) return inThread(task, source);
      calls.set(activity, (calls.get(activity) ?? 0) + 1);
      return inOwn(task, source);
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
