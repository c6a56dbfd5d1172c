/**
 * `--threads`: ticks of modules run in threads, one at a time in each, so that they use several cores and cannot block the
 * worker's own event loop. A tick that does not end when it is cancelled ends with its thread, and the pool starts another.
 */
import { setFlagsFromString } from 'node:v8';
import { Piscina } from 'piscina';
import type { RunnableActivity } from '../machine/definition.ts';
import { activitiesOf, type Registry } from '../machine/registry.ts';
import { Deadlines } from './deadlines.ts';
import { createExecute, type ExecutorOptions } from './executor.ts';
import type { Execute, TickResult, TickTask } from './ports.ts';
import { supervise } from './supervise.ts';
import { ThreadRun, type ThreadData, type ThreadReport } from './thread-run.ts';

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
 * Node strips types with WebAssembly, whose compiled code all threads share. If one thread frees unused code while another
 * thread ends, V8 may abort the process ("Check failed: jit_page.has_value()", Node 24.21). Without this collection the
 * code stays in memory while a thread uses it: a few MB.
 */
const KEEP_SHARED_CODE = '--no-wasm-code-gc';

export function startThreads(options: ThreadsOptions): Threads {
  setFlagsFromString(KEEP_SHARED_CODE);
  const pool = new Piscina({
    filename: options.entry.href,
    minThreads: options.minThreads,
    maxThreads: options.threads,
    workerData: {
      machines: options.machines,
      pauseScale: options.pauseScale,
    } satisfies ThreadData,
    // Timers and promises that a tick left behind go on while its thread waits for the next tick, as without threads.
    atomics: 'disabled',
    idleTimeout: Number.POSITIVE_INFINITY,
    recordTiming: false,
  });
  pool.on('error', (error) =>
    options.log.error({ err: error }, 'a thread without a tick has ended'),
  );
  pool.on('message', ({ facts, message }: ThreadReport) => options.log.error(facts, message));
  const versions = new Versions(options.registry);
  const deadlines = new Deadlines(options.clock);
  const inMainThread = createExecute(options);
  return {
    execute: async (task, workerSignal) => {
      const { activity, history, ...rest } = task;
      if (activity.kind === 'command') return inMainThread(task, workerSignal);
      if (workerSignal.aborted) return { kind: 'aborted' };
      const version = versions.of(activity);
      const machinesVersion = options.machinesVersion();
      const run = new ThreadRun(
        pool,
        { ...rest, version, machinesVersion },
        { ...options, deadlines, history },
      );
      return runToEnd(task, run, workerSignal, { ...options, deadlines });
    },
    close: () => pool.destroy(),
  };
}

/** Finds the version of the machine that an activity belongs to, also of machines that were replaced meanwhile. */
class Versions {
  readonly #registry: () => Registry;
  readonly #known = new WeakMap<RunnableActivity, string>();
  #seen: Registry | undefined;

  constructor(registry: () => Registry) {
    this.#registry = registry;
  }

  of(activity: RunnableActivity): string | undefined {
    const registry = this.#registry();
    if (registry !== this.#seen) this.#learn(registry);
    return this.#known.get(activity);
  }

  #learn(registry: Registry): void {
    this.#seen = registry;
    for (const machine of [...registry.values()].flat()) {
      const { version } = machine;
      if (version === undefined) continue;
      for (const activity of activitiesOf(machine)) this.#known.set(activity, version);
    }
  }
}

async function runToEnd(
  task: TickTask,
  run: ThreadRun,
  workerSignal: AbortSignal,
  options: Pick<ThreadsOptions, 'log' | 'maxWaitMs'> & { readonly deadlines: Deadlines },
): Promise<TickResult> {
  const { log, maxWaitMs, deadlines } = options;
  const waiting = Promise.withResolvers<'no thread'>();
  const giveUp = (): void => waiting.resolve('no thread');
  const endWait = deadlines.add(maxWaitMs, giveUp);
  workerSignal.addEventListener('abort', giveUp);
  const first = await Promise.race([run.begun, run.over, waiting.promise]);
  endWait();
  workerSignal.removeEventListener('abort', giveUp);
  if (first === 'begun') {
    return supervise(task, run.over, {
      cancellable: run,
      workerSignal,
      deadlines,
      mayBeAbandoned: false,
    });
  }
  if (typeof first === 'object') return first;
  await run.kill();
  if (!workerSignal.aborted) {
    const fields = { state: task.name, machine: task.machine, waitedMs: maxWaitMs };
    log.info(fields, 'no free thread, state given back; raise --threads or lower --concurrency');
  }
  return { kind: 'aborted' };
}
