/** A worker in a program: started, watched and stopped by calls. It installs no signal handlers. */
import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import type { Engine } from '../engine/engine.ts';
import type { Log } from '../engine/ports.ts';
import type { Machine } from '../machine/definition.ts';
import { createRegistry } from '../machine/registry.ts';
import { ConcurrencyLimit } from '../worker/concurrency-limit.ts';
import { createExecute } from '../worker/executor.ts';
import type { SettledStep } from '../worker/settler.ts';
import type { Summary } from '../worker/ports.ts';
import { Worker } from '../worker/worker.ts';
import { realClock, realRandom } from './node-ports.ts';
import { SILENT } from './open-engine.ts';

export interface CreateWorkerOptions {
  readonly machines: readonly Machine[];
  /** Unique among the workers of an engine. Default: the host's name and the process id. */
  readonly name?: string;
  /** Ticks at a time. Default: 8. */
  readonly concurrency?: number;
  /** States that the engine may hold for it. Default: 1024. */
  readonly capacity?: number;
  /** Go on when nothing is left to do. Default: true. */
  readonly stays?: boolean;
  /** Run commands of configurations that the engine stores. Default: false. */
  readonly trustsStored?: boolean;
  /** Default: nothing is logged. */
  readonly logger?: Log;
}

export interface WorkerEvents {
  /** The engine has answered for a step. */
  readonly step: [SettledStep];
  /** It has ended: stopped, or nothing is left to do. */
  readonly end: [Summary];
}

export interface StopOptions {
  /** Milliseconds that running ticks have to end; then their signals abort. Default: 10,000. */
  readonly drainMs?: number;
}

const DEFAULT_CONCURRENCY = 8;
const DEFAULT_CAPACITY = 1024;
const DEFAULT_DRAIN_MS = 10_000;

/** `on`, `once`, `off` have the types of `WorkerEvents`. */
export class WorkerHandle extends EventEmitter<{ step: [SettledStep]; end: [Summary] }> {
  readonly #worker: Worker;
  readonly #stop = new AbortController();
  #running: Promise<Summary> | undefined;

  constructor(
    engine: Engine,
    {
      machines,
      name = `${hostname()}-${process.pid}`,
      concurrency = DEFAULT_CONCURRENCY,
      capacity = Math.max(concurrency, DEFAULT_CAPACITY),
      stays = true,
      trustsStored = false,
      logger: log = SILENT,
    }: CreateWorkerOptions,
  ) {
    super();
    const registry = createRegistry(machines);
    const print = (line: string): void => log.info({}, line);
    this.#worker = new Worker(
      engine,
      {
        clock: realClock,
        random: realRandom,
        execute: createExecute({ clock: realClock, log, print, pauseScale: 1 }),
        log,
        slots: new ConcurrencyLimit(concurrency),
        machines: () => registry,
        onSettled: (step) => void this.emit('step', step),
      },
      { name, concurrency, capacity, stays, trustsStored, drainMs: DEFAULT_DRAIN_MS },
    );
  }

  /** Resolves when it has joined the engine. @throws UserError, for example `name-in-use`. */
  async start(): Promise<void> {
    this.#running ??= this.#run();
    // An error is thrown here, or by `finished`.
    this.#running.catch(() => undefined);
    await Promise.race([this.#worker.joined, this.#running]);
  }

  async #run(): Promise<Summary> {
    const summary = await this.#worker.run(this.#stop.signal);
    this.emit('end', summary);
    return summary;
  }

  /** Resolves when it has ended; rejects with what has ended it. Before `start` it rejects. */
  get finished(): Promise<Summary> {
    return this.#running ?? Promise.reject(new Error('cannot wait for a worker before start()'));
  }

  /**
   * Takes nothing more. Resolves when its ticks have ended, or were aborted and given back: within `drainMs` and two cycles of
   * a volume. May be repeated.
   */
  async stop({ drainMs = DEFAULT_DRAIN_MS }: StopOptions = {}): Promise<void> {
    if (this.#running === undefined) return;
    this.#worker.stop(drainMs);
    // It may not have joined yet.
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A worker that is not started yet. */
export function createWorker(engine: Engine, options: CreateWorkerOptions): WorkerHandle {
  return new WorkerHandle(engine, options);
}
