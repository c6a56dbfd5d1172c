/** A local queue in virtual time, with phases and tick durations as a test sets them. */
import { setImmediate } from 'node:timers/promises';
import { done, type Answer } from '../../src/machine/answer.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { cycleLength, momentAt, type PhaseLengths } from '../../src/volume/phases/cycle.ts';
import type { PhaseGuard } from '../../src/volume/operations.ts';
import { LocalQueue } from '../../src/volume/local-queue.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { TickTask } from '../../src/worker/ports.ts';
import { Worker } from '../../src/worker/worker.ts';
import type { Session, WorkerInfo } from '../../src/engine/session.ts';
import { ConcurrencyLimit } from '../../src/worker/concurrency-limit.ts';
import { StillClock } from '../still-clock.ts';
import { FakeOperations } from './fake-operations.ts';
import { OPEN } from './guards.ts';

const PHASES: PhaseLengths = { assignment: 30, commitment: 30, update: 380, buffer: 20 };
export const CYCLE: number = cycleLength(PHASES);

/** A guard that is open for this many calls. */
export const openFor = (questions: number): PhaseGuard => {
  let left = questions;
  return { ...OPEN, canBegin: () => left-- > 0 };
};

const registry = createRegistry([
  machine({ name: 'job', activities: { job: { tick: () => done(), timeout: '20m' } } }),
]);

export class QueueBench {
  readonly clock: StillClock = new StillClock();
  readonly session: FakeOperations;
  /** The session, without I/O. */
  queue!: LocalQueue;
  readonly worker: Worker;
  /** Of the worker. */
  readonly ended: Promise<unknown>;
  readonly logged: string[] = [];
  /** Duration of each tick from now on, ms. */
  duration = 0;
  answer: (task: TickTask) => Answer = () => done();
  /** Ticks begun, in order. */
  readonly begun: string[] = [];
  running = 0;
  #names = 0;

  constructor(
    concurrency: number = 4,
    capacity: number = 1000,
    phases: PhaseLengths = PHASES,
    more: {
      readonly trustVolume?: boolean;
      readonly freshListings?: boolean;
      readonly info?: Partial<WorkerInfo>;
    } = {},
  ) {
    this.session = new FakeOperations(this.clock, phases, concurrency, capacity);
    const line = (_facts: object, message: string): void => void this.logged.push(message);
    const log: Log = { debug: () => undefined, info: line, warn: line, error: line };
    const { clock } = this;
    this.worker = new Worker(
      {
        id: 'v',
        configurations: { ...this.session.configurations, put: async () => ({ kind: 'stored' }) },
        join: async (info) =>
          this.#join({ ...info, ...more.info }, log, more.freshListings ?? true),
      },
      {
        clock,
        random: () => 0.5,
        log,
        slots: new ConcurrencyLimit(concurrency),
        machines: () => registry,
        execute: async (task, { signal }) => {
          this.begun.push(task.name);
          this.running += 1;
          if (this.duration > 0) await clock.sleep(this.duration, signal);
          this.running -= 1;
          if (signal.aborted) return { kind: 'aborted' };
          return { kind: 'answer', answer: this.answer(task) };
        },
      },
      {
        name: 'ant',
        concurrency,
        capacity,
        stays: false,
        trustsStored: more.trustVolume ?? false,
        drainMs: 0,
      },
    );
    this.ended = this.worker.run(new AbortController().signal);
  }

  #join(info: WorkerInfo, log: Log, freshListings: boolean): Session {
    const { clock, session } = this;
    const queue = new LocalQueue({ clock, log }, info, { freshListings }, () => undefined);
    queue.operations = session;
    this.queue = queue;
    return {
      concurrentSettles: Number.POSITIVE_INFINITY,
      get isIdle() {
        return queue.isIdle;
      },
      get unreadable() {
        return queue.unreadable;
      },
      now: () => session.stamp(),
      take: (limit, signal) => queue.take(limit, signal),
      settle: (settlements) => queue.finish(settlements),
      setDeadline: (hold, at) => queue.setDeadline(hold, at),
      close: async () => undefined,
      abort: () => undefined,
    };
  }

  get counts(): Worker['counts'] {
    return this.worker.counts;
  }

  /** There is always another state. */
  next = (): string => `s${(this.#names += 1)}.state`;

  /** Claims, reads and begins as many states as there is room for. */
  async fetch(next: () => string | undefined = this.next, guard: PhaseGuard = OPEN): Promise<void> {
    await this.queue.claim(next, guard);
    await this.queue.examine(true);
    this.queue.handOut();
    await setImmediate();
  }

  async pass(ms: number): Promise<void> {
    this.clock.pass(ms);
    await setImmediate();
  }

  /** Lets time pass in steps, with the queue acting in each phase. */
  async work(ms: number, step = 10): Promise<void> {
    for (let left = ms; left > 0; left -= step) {
      await this.pass(step);
      const { phase } = momentAt(PHASES, this.clock.now());
      if (phase === 'update') await this.queue.settle(OPEN);
      if (phase === 'update' || phase === 'commitment') await this.fetch();
    }
  }

  /** Names that were released. */
  get released(): string[] {
    return this.session.settled
      .filter(({ change }) => change.kind === 'release')
      .map(({ name }) => name);
  }
}
