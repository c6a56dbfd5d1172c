/**
 * `--threads`: ticks of modules run in threads, one at a time in each, so that they use several cores and cannot
 * keep the worker's own loop from its work. One that does not end when it is told to ends with its thread, and
 * the pool starts another.
 */
import { setFlagsFromString } from 'node:v8';
import { Piscina } from 'piscina';
import type { RunnableActivity } from '../machine/definition.ts';
import type { Registry } from '../machine/registry.ts';
import { Deadlines } from './deadlines.ts';
import { createExecute, type ExecutorOptions } from './executor.ts';
import type { Execute, TickResult, TickTask } from './ports.ts';
import { supervise } from './supervise.ts';
import { ThreadRun, type ThreadData, type ThreadReport } from './thread-run.ts';

export interface ThreadsOptions extends ExecutorOptions {
  readonly threads: number;
  /** So many are started at once, and the others when they are needed. */
  readonly least: number;
  /** The thread's module. */
  readonly entry: URL;
  /** As of now: another object when files were loaded anew. */
  readonly registry: () => Registry;
  /** Where each thread loads the same machines from. */
  readonly machines: readonly string[];
  /** How often that was done. */
  readonly machinesVersion: () => number;
  /**
   * Milliseconds that a tick may wait for a thread. Then it is given back, as aborted: its timeout begins when it
   * does, but the worker's proof of life ends a lease after the timeout of what it handed over.
   */
  readonly patience: number;
}

export interface Threads {
  readonly execute: Execute;
  /** Resolves when no thread is left. */
  close(): Promise<void>;
}

/**
 * Node strips types with WebAssembly, whose compiled code all threads share. While one thread frees what it no longer
 * needs of it, and another one ends, V8 may abort the whole process ("Check failed: jit_page.has_value()", Node 24.21).
 * Without this collection the code stays for as long as a thread uses it: a few MB.
 */
const KEEP_SHARED_CODE = '--no-wasm-code-gc';

export function startThreads(options: ThreadsOptions): Threads {
  setFlagsFromString(KEEP_SHARED_CODE);
  const pool = new Piscina({
    filename: options.entry.href,
    minThreads: options.least,
    maxThreads: options.threads,
    workerData: {
      machines: options.machines,
      pauseScale: options.pauseScale,
    } satisfies ThreadData,
    // What a tick left behind goes on while its thread waits for the next one, as it would without threads.
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

/** Names do not tell which version of a machine an activity is of. Those of machines that were replaced stay known. */
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
    for (const { activities, version } of [...registry.values()].flat()) {
      if (version === undefined) continue;
      for (const activity of activities.values()) this.#known.set(activity, version);
    }
  }
}

async function runToEnd(
  task: TickTask,
  run: ThreadRun,
  workerSignal: AbortSignal,
  options: Pick<ThreadsOptions, 'log' | 'patience'> & { readonly deadlines: Deadlines },
): Promise<TickResult> {
  const { log, patience, deadlines } = options;
  const waiting = Promise.withResolvers<'no thread'>();
  const giveUp = (): void => waiting.resolve('no thread');
  const endPatience = deadlines.add(patience, giveUp);
  workerSignal.addEventListener('abort', giveUp);
  const first = await Promise.race([run.begun, run.over, waiting.promise]);
  endPatience();
  workerSignal.removeEventListener('abort', giveUp);
  if (first === 'begun') {
    return supervise(task, run.over, {
      cancellable: run,
      workerSignal,
      deadlines,
      mayBeLeft: false,
    });
  }
  if (typeof first === 'object') return first;
  await run.kill();
  if (!workerSignal.aborted) {
    const facts = { state: task.name, machine: task.machine, waited: patience };
    log.info(facts, `${task.name} found no free thread; more --threads, or less --concurrency`);
  }
  return { kind: 'aborted' };
}
