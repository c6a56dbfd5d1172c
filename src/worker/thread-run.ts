/** One tick in a thread, as the worker sees it: what it is told, what it says, and how it is made to end. */
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import type { PastStep } from '../machine/definition.ts';
import type { Cancellable, Cause } from './cancellation.ts';
import type { Deadlines } from './deadlines.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult, TickTask } from './ports.ts';

/** What every thread is started with. */
export interface ThreadData {
  readonly machines: readonly string[];
  readonly pauseScale: number;
}

/** A task without its function, which the thread finds among its own machines. */
export interface ThreadTask extends Omit<TickTask, 'activity' | 'history'> {
  readonly version: string | undefined;
  /** How often the worker has loaded files of machines anew. */
  readonly machinesVersion: number;
}

/** The port carries `ThreadMessage` from the thread, and `ThreadNote` to it. */
export interface ThreadCall {
  readonly task: ThreadTask;
  readonly port: MessagePort;
}

export type ThreadMessage =
  | { readonly kind: 'begun' }
  /** To be answered. */
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

/** What a thread says that is of no tick which runs there. */
export interface ThreadReport {
  readonly facts: Record<string, unknown>;
  readonly message: string;
}

/** Milliseconds that a cancelled tick has before its thread is terminated. */
export const GRACE = 500;

interface RunPorts {
  readonly deadlines: Deadlines;
  readonly log: Log;
  readonly print: (line: string) => void;
  readonly history: () => Promise<readonly PastStep[]>;
}

export class ThreadRun implements Cancellable {
  /** The thread has called the tick. */
  readonly begun: Promise<'begun'>;
  /** Never rejects. When it resolves, the tick has come back, or its thread is gone. */
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
    this.#endGrace = this.#ports.deadlines.add(GRACE, () => void this.kill());
  }

  /** Takes it out of the queue, or its thread out of the world. Resolves with `over`. */
  async kill(): Promise<void> {
    const before = this.#pool.threads;
    this.#withdraw.abort();
    const after = new Set(this.#pool.threads);
    // The pool does not wait for the threads that it terminates.
    const gone = before.filter((thread) => !after.has(thread));
    this.#terminated = Promise.all(gone.map((thread) => thread.terminate()));
    await this.over;
  }

  async #end(answer: Promise<TickResult>): Promise<TickResult> {
    const result = await answer.catch(lost);
    await this.#terminated;
    this.#endGrace();
    // It said these things before it came back; they may arrive after its answer.
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

  /** After its end nobody is there to hear it. */
  #note(note: ThreadNote): void {
    this.#port.postMessage(note);
  }
}

/** Not by the tick's own error, which would be a result: it exited, ran out of memory, or threw where nobody waits. */
function lost(error: Error): TickResult {
  return { kind: 'failed', error: { message: `the tick's thread has ended: ${error.message}` } };
}
