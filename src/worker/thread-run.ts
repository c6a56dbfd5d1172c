/** The worker's side of one tick in a thread: its messages, its cancellation, its end. */
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import type { PastStep } from '../machine/definition.ts';
import type { Cancellable, Cause } from './supervise.ts';
import type { Deadlines } from './deadlines.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult, TickTask } from './ports.ts';

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

export class ThreadRun implements Cancellable {
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
