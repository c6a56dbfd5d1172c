/**
 * The part of a simulated worker process that is the same on every engine: it can be suspended and continued, blocked by a
 * tick, and killed at any moment; its timers and replies arrive when its code can run.
 */
import type { Engine } from '../engine/engine.ts';
import type { Clock, Log } from '../engine/ports.ts';
import type { Registry } from '../machine/registry.ts';
import { ConcurrencyLimit } from '../worker/concurrency-limit.ts';
import { createExecute } from '../worker/executor.ts';
import { Worker } from '../worker/worker.ts';
import type { HostClock } from './virtual-time.ts';
import { Prng } from './prng.ts';

/** The simulation's interface to processes on any engine. */
export interface ProcessWorld {
  readonly seed: string;
  /** The true time, ms since the epoch. */
  now(): number;
  /** Returns a function that cancels it. */
  at(time: number, act: () => void): () => void;
  /** `text` is only called if a trace is written. */
  trace(who: string, text: () => string): void;
}

export interface HostProcessOptions {
  readonly worker: string;
  /** Milliseconds. */
  readonly lease: number;
  readonly concurrency: number;
  readonly capacity: number;
  /** It goes on when nothing is left to do. */
  readonly watch: boolean;
  /** Machines that it does not know. */
  readonly lacks?: readonly string[];
}

/** How a process ended. */
export type Exit =
  | { readonly kind: 'killed' }
  | { readonly kind: 'finished'; readonly end: 'empty' | 'stopped' }
  /** What a user would read: the volume is gone, the name is in use, … */
  | { readonly kind: 'refused'; readonly error: unknown };

function describeExit(exit: Exit): string {
  if (exit.kind === 'refused') return (exit.error as Error).message;
  return exit.kind === 'finished' ? exit.end : exit.kind;
}

/** Milliseconds: timers come late. */
const TIMER_LAG = 2;

export abstract class HostProcess<Options extends HostProcessOptions = HostProcessOptions> {
  readonly name: string;
  readonly options: Options;
  readonly clock: HostClock;
  readonly ended: Promise<Exit>;
  readonly born: number;
  /** True while something came between deciding and acting: what it does now may be late. */
  stalled: boolean = false;
  exit: Exit | undefined;
  protected readonly prng: Prng;
  protected readonly stop: AbortController = new AbortController();
  /** True time until which all of it (SIGSTOP), or the main thread (a tick that blocks), does nothing. */
  protected stoppedUntil: number = 0;
  protected blockedUntil: number = 0;
  readonly #host: ProcessWorld;
  #resolveEnded!: (exit: Exit) => void;
  #blockedSince = 0;
  #lastBlock = 0;
  #runningSince: number;
  readonly #sleepers = new Set<() => void>();

  constructor(host: ProcessWorld, name: string, clock: HostClock, options: Options) {
    this.#host = host;
    this.name = name;
    this.clock = clock;
    this.options = options;
    this.prng = new Prng(`${host.seed}/process/${name}`);
    this.born = host.now();
    this.#runningSince = this.born;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
  }

  /** Runs the worker; resolves when it has ended by itself. */
  protected abstract run(registry: Registry): Promise<Exit>;

  start(registry: Registry): void {
    this.run(registry).then(
      (exit) => this.#end(exit),
      (error: unknown) => this.#end({ kind: 'refused', error }),
    );
  }

  /** Runs the real worker on this engine until it ends. `onTick`: a tick of the state `name` begins. */
  protected async work(
    engine: Pick<Engine, 'id' | 'configurations' | 'join'>,
    registry: Registry,
    { clock, log, onTick }: { clock: Clock; log: Log; onTick: (name: string) => void },
  ): Promise<Exit> {
    const { worker: name, lease, concurrency, capacity, watch: stays } = this.options;
    const execute = createExecute({ clock, log, print: () => undefined, pauseScale: 1 });
    const worker = new Worker(
      engine,
      {
        clock,
        random: () => this.prng.next(),
        execute: (task, source) => {
          onTick(task.name);
          return execute(task, source);
        },
        log,
        slots: new ConcurrencyLimit(concurrency),
        machines: () => registry,
      },
      { name, concurrency, capacity, stays, trustsStored: false, drainMs: 4 * lease },
    );
    const { end } = await worker.run(this.stop.signal);
    return { kind: 'finished', end };
  }

  get isAlive(): boolean {
    return this.exit === undefined;
  }

  get isStopped(): boolean {
    return this.#host.now() < this.stoppedUntil;
  }

  /** Milliseconds for which a tick has kept the main thread busy; 0 if none does. */
  get blockedFor(): number {
    return this.#host.now() < this.blockedUntil ? this.#host.now() - this.#blockedSince : 0;
  }

  /** Milliseconds of its host since the tick that blocks began to do so, whatever blocked it before; 0 if none does. */
  get lastBlockedFor(): number {
    return this.blockedFor === 0 ? 0 : this.clock.monotonic() - this.#lastBlock;
  }

  /** Milliseconds since it was last started, or continued. */
  get runsFor(): number {
    return this.#host.now() - this.#runningSince;
  }

  /** SIGTERM. */
  askToStop(): void {
    this.deliver(() => this.stop.abort());
  }

  /** kill -9, or a crash: nothing of it goes on. What it had asked of its engine may still happen. */
  kill(): void {
    this.#end({ kind: 'killed' });
  }

  /** SIGSTOP, and SIGCONT after `ms`. */
  suspend(ms: number): void {
    this.stoppedUntil = Math.max(this.stoppedUntil, this.#host.now() + ms);
    this.#runningSince = this.stoppedUntil;
    this.stalled = true;
  }

  resume(): void {
    this.stoppedUntil = 0;
    this.#runningSince = this.#host.now();
  }

  /** A tick blocks the main thread for `ms`. Other sessions see successive blocks as one. */
  block(ms: number): void {
    const now = this.#host.now();
    this.#lastBlock = this.clock.monotonic();
    if (now > this.blockedUntil + this.options.lease) this.#blockedSince = now;
    this.blockedUntil = Math.max(this.blockedUntil, now + ms);
    this.stalled = true;
  }

  /** Calls `act` as soon as the process can run; never if it has ended before. */
  deliver(act: () => void): void {
    if (!this.isAlive) return;
    const until = Math.max(this.stoppedUntil, this.blockedUntil);
    if (this.#host.now() < until) {
      this.#host.at(until, () => this.deliver(act));
      return;
    }
    this.stalled = false;
    act();
  }

  #end(exit: Exit): void {
    if (this.exit !== undefined) return;
    this.exit = exit;
    this.#host.trace(this.name, () => `ends: ${describeExit(exit)}`);
    // A signal with listeners is never collected, nor is what its listeners refer to.
    for (const forget of this.#sleepers) forget();
    this.#resolveEnded(exit);
  }

  protected clockPort(): Clock {
    return {
      now: () => this.clock.wall(),
      monotonic: () => this.clock.monotonic(),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted === true) return resolve();
          const forget = (): void => {
            cancel();
            signal?.removeEventListener('abort', wake);
            this.#sleepers.delete(forget);
          };
          const wake = (): void => {
            forget();
            resolve();
          };
          signal?.addEventListener('abort', wake, { once: true });
          const due = this.#host.now() + this.clock.real(ms) + this.prng.next() * TIMER_LAG;
          const cancel = this.#host.at(due, () => this.deliver(wake));
          this.#sleepers.add(forget);
        }),
    };
  }
}

/** `trace` receives a function: the text is only made if a trace is written. */
export function traceLog(trace: (text: () => string) => void): Log {
  const line =
    (level: string) =>
    (facts: Record<string, unknown>, message: string): void => {
      trace(() => `${level}: ${message}${describeError(facts['err'])}`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

function describeError(error: unknown): string {
  return error === undefined ? '' : ` (${(error as Error).message})`;
}
