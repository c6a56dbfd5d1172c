/**
 * A pool of threads: ticks of modules run one at a time in each, so that they use several cores and cannot block the worker's
 * own event loop. A tick that does not end when it is cancelled ends with its thread, and the pool starts another.
 */
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { RunnableActivity, PastStep } from '../machine/definition.ts';
import { activitiesOf, type Registry } from '../machine/registry.ts';
import type { Log } from '../engine/ports.ts';
import type { Threads, ThreadsOptions } from './threads.ts';
import { Deadlines, supervise, type Cancellable, type Cause } from './supervise.ts';
import { createExecute } from './executor.ts';
import type { TickResult, TickTask } from './ports.ts';

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
    execute: async (task, source) => {
      const { activity, history, ...rest } = task;
      if (activity.kind === 'command') return inMainThread(task, source);
      const workerSignal = source.signal;
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

/** The `workerData` of every thread. */
export interface ThreadData {
  readonly machines: readonly string[];
  readonly pauseScale: number;
}

/** A task without its functions: the thread finds the activity among its own machines. */
export interface ThreadTask extends Omit<TickTask, 'activity' | 'history'> {
  readonly version: string | undefined;
  /** How often the worker has reloaded machine files. */
  readonly machinesVersion: number;
}

/** The port carries `ThreadMessage` from the thread, and `ThreadNote` to the thread. */
export interface ThreadCall {
  readonly task: ThreadTask;
  readonly port: MessagePort;
}

export type ThreadMessage =
  | { readonly kind: 'begun' }
  /** Answered by `history` or `no history`. */
  | { readonly kind: 'history' }
  | { readonly kind: 'print'; readonly line: string }
  | {
      readonly kind: 'log';
      readonly facts: Record<string, unknown>;
      readonly message: string;
    };

export type ThreadNote =
  | { readonly kind: 'cancel'; readonly cause: Cause }
  | { readonly kind: 'history'; readonly steps: readonly PastStep[] }
  | { readonly kind: 'no history'; readonly message: string };

/** A log line of a thread that does not belong to its running tick. */
export interface ThreadReport {
  readonly facts: Record<string, unknown>;
  readonly message: string;
}

/** Time that a cancelled tick has to end before its thread is terminated. */
export const CANCEL_GRACE_MS = 500;

interface RunPorts {
  readonly deadlines: Deadlines;
  readonly log: Log;
  readonly print: (line: string) => void;
  readonly history: () => Promise<readonly PastStep[]>;
}

/** The worker's side of one tick in a thread: its messages, its cancellation, its end. */
class ThreadRun implements Cancellable {
  /** The thread has called the tick. */
  readonly begun: Promise<'begun'>;
  /** Never rejects. Resolves when the tick has ended, or its thread has. */
  readonly over: Promise<TickResult>;
  readonly #pool: Piscina;
  readonly #ports: RunPorts;
  readonly #port: MessagePort;
  readonly #withdraw = new AbortController();
  readonly #onBegun: () => void;
  #terminated: Promise<unknown> = Promise.resolve();
  #isCancelled = false;
  #endGrace: () => void = () => undefined;

  constructor(pool: Piscina, task: ThreadTask, ports: RunPorts) {
    this.#pool = pool;
    this.#ports = ports;
    const begun = Promise.withResolvers<'begun'>();
    this.begun = begun.promise;
    this.#onBegun = () => begun.resolve('begun');
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.on('message', this.#receive);
    const call: ThreadCall = { task, port: port2 };
    const answer = pool.run(call, { transferList: [port2], signal: this.#withdraw.signal });
    this.over = this.#end(answer as Promise<TickResult>);
  }

  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  cancel(cause: Cause): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.#note({ kind: 'cancel', cause });
    this.#endGrace = this.#ports.deadlines.add(CANCEL_GRACE_MS, () => void this.kill());
  }

  /** Removes the tick from the queue, or terminates its thread. Resolves with `over`. */
  async kill(): Promise<void> {
    const before = this.#pool.threads;
    this.#withdraw.abort();
    const after = new Set(this.#pool.threads);
    // The pool does not await the end of threads that it terminates.
    const gone = before.filter((thread) => !after.has(thread));
    this.#terminated = Promise.all(gone.map((thread) => thread.terminate()));
    await this.over;
  }

  async #end(answer: Promise<TickResult>): Promise<TickResult> {
    const result = await answer.catch(threadFailure);
    await this.#terminated;
    this.#endGrace();
    // Messages that were sent before the answer may arrive after it.
    for (let left = receiveMessageOnPort(this.#port); left; left = receiveMessageOnPort(this.#port))
      this.#receive(left.message as ThreadMessage);
    this.#port.close();
    return result;
  }

  readonly #receive = (message: ThreadMessage): void => {
    if (message.kind === 'begun') this.#onBegun();
    else if (message.kind === 'print') this.#ports.print(message.line);
    else if (message.kind === 'history') void this.#tellHistory();
    else this.#ports.log.info(message.facts, message.message);
  };

  async #tellHistory(): Promise<void> {
    try {
      this.#note({ kind: 'history', steps: await this.#ports.history() });
    } catch (error) {
      this.#note({ kind: 'no history', message: (error as Error).message });
    }
  }

  /** Without effect after the tick has ended. */
  #note(note: ThreadNote): void {
    this.#port.postMessage(note);
  }
}

/** The thread exited, ran out of memory, or threw an error that nothing awaited; the tick's own error is a result. */
function threadFailure(error: Error): TickResult {
  return { kind: 'failed', error: { message: `the tick's thread has ended: ${error.message}` } };
}
