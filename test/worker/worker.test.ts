/** A worker on an engine that hands out what a test puts there, in virtual time. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Log } from '../../src/engine/ports.ts';
import type { Session, Settled, Settlement, Task, WorkerInfo } from '../../src/engine/session.ts';
import { done } from '../../src/machine/answer.ts';
import { UserError } from '../../src/machine/errors.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { machine } from '../../src/machine/machine.ts';
import { parseStateName } from '../../src/machine/name.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import { ConcurrencyLimit } from '../../src/worker/concurrency-limit.ts';
import type { Summary, TickResult, WorkerOptions } from '../../src/worker/ports.ts';
import { Worker } from '../../src/worker/worker.ts';
import { StillClock } from '../still-clock.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const TIMEOUT_MS = 60_000;
const DRAIN_MS = 3000;
const COMMANDS = `
name: build
version: v1
starting_state: make
activities: { make: { run: 'true' } }
`;
const registry = createRegistry([
  machine({
    name: 'job',
    activities: {
      job: { tick: () => done(), timeout: TIMEOUT_MS, retry: { maximumAttempts: 1 } },
    },
  }),
]);

interface Handed {
  readonly task: Task;
  readonly abort: AbortController;
}

type Taken = readonly Task[] | 'drained';

interface Taking {
  readonly limit: number;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: Error) => void;
}

/** As `Session` says, with a task for each instance that was put there. */
class FakeSession implements Session {
  isIdle = false;
  unreadable = 0;
  concurrentSettles: number = Number.POSITIVE_INFINITY;
  readonly info: WorkerInfo;
  readonly ready: Task[] = [];
  /** Of each call of `take`, in order. */
  readonly limits: number[] = [];
  /** `drainMs` of each call of `close`, in order. */
  readonly closes: number[] = [];
  /** Argument of each call of `abort`, in order. */
  readonly aborted: InvariantError[] = [];
  readonly deadlines: Record<string, number> = {};
  readonly settlements: Settlement[] = [];
  onSettle: (settlement: Settlement) => Settled | Promise<Settled> = () => 'settled';
  readonly #held = new Map<string, Handed>();
  #taking: Taking | undefined;
  #onSettled: () => void = () => undefined;

  constructor(info: WorkerInfo) {
    this.info = info;
  }

  now = (): string => NOW;

  get handed(): Iterable<Task> {
    return Array.from(this.#held.values(), ({ task }) => task);
  }

  put(instance: string, state = 'job'): void {
    const name = `${instance}.state`;
    const abort = new AbortController();
    const task: Task = {
      name,
      session: 'ant.1',
      file: { state, payload: {} },
      attempts: [],
      events: [],
      asOf: 1,
      signal: abort.signal,
      observe: () => undefined,
      history: async () => [],
    };
    this.#held.set(name, { task, abort });
    this.ready.push(task);
    if (this.#taking === undefined) return;
    const taken = this.#pick(this.#taking.limit);
    if (taken.length > 0) this.#taking.resolve(taken);
  }

  #pick(limit: number): Task[] {
    let left = limit;
    const picked = this.ready.filter(({ file }) => !this.info.needsSlot(file) || left-- > 0);
    for (const one of picked) this.ready.splice(this.ready.indexOf(one), 1);
    return picked;
  }

  take(limit: number, signal: AbortSignal): Promise<Taken> {
    this.limits.push(limit);
    const [reason] = this.aborted;
    if (reason !== undefined) return Promise.reject(reason);
    const taken = signal.aborted ? [] : this.#pick(limit);
    if (taken.length > 0 || signal.aborted) return Promise.resolve(taken);
    return new Promise<Taken>((resolve, reject) => {
      this.#taking = { limit, resolve, reject };
      signal.addEventListener('abort', () => resolve([]), { once: true });
    }).finally(() => (this.#taking = undefined));
  }

  drain(): void {
    this.#taking!.resolve('drained');
  }

  fail(error: Error): void {
    this.#taking!.reject(error);
  }

  get isTaking(): boolean {
    return this.#taking !== undefined;
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    this.settlements.push(...settlements);
    const settled = await Promise.all(settlements.map(async (one) => this.onSettle(one)));
    for (const { hold } of settlements) this.#held.delete(hold.name);
    this.#onSettled();
    return settled;
  }

  setDeadline({ name }: Task, at: number): void {
    this.deadlines[name] = at;
  }

  async close(drainMs: number): Promise<void> {
    this.closes.push(drainMs);
    for (const { name } of this.ready.splice(0)) this.#held.delete(name);
    while (this.#held.size > 0) {
      await new Promise<void>((resolve) => (this.#onSettled = resolve));
    }
    const [reason] = this.aborted;
    if (reason !== undefined) throw reason;
  }

  abortTask(instance: string): void {
    this.#held.get(`${instance}.state`)!.abort.abort();
  }

  abort(reason: InvariantError): void {
    this.aborted.push(reason);
    this.#taking?.reject(reason);
    for (const { abort } of this.#held.values()) abort.abort();
    this.#held.clear();
    this.#onSettled();
  }
}

class Bench {
  readonly clock = new StillClock();
  readonly stop = new AbortController();
  readonly slots: ConcurrencyLimit;
  /** Fields of the last log line with this text. */
  readonly logged: Record<string, unknown> = {};
  /** Instances whose ticks have begun, in order. */
  readonly begun: string[] = [];
  /** What the last tick was told of the volume. */
  directory: string | undefined;
  readonly stored = new Map<string, string>();
  listError: Error | undefined;
  joinError: Error | undefined;
  moreToCome = false;
  session!: FakeSession;
  readonly worker: Worker;
  /** What `run` has come to. */
  summary: Summary | undefined;
  error: unknown;
  readonly #ticks = new Map<string, (result: TickResult) => void>();

  constructor(
    concurrency = 2,
    more: Partial<WorkerOptions> = {},
    onSettled: () => void = () => undefined,
  ) {
    this.slots = new ConcurrencyLimit(concurrency);
    const line: Log['info'] = (fields, message) => void (this.logged[message] = fields);
    this.worker = new Worker(
      {
        id: 'v',
        configurations: {
          put: async () => ({ kind: 'stored' }),
          get: async ({ name }) => this.stored.get(name),
          list: async () => {
            if (this.listError !== undefined) throw this.listError;
            return Array.from(this.stored.keys(), (name) => ({ name, version: 'v1' }));
          },
        },
        join: async (info) => {
          if (this.joinError !== undefined) throw this.joinError;
          return (this.session = new FakeSession(info));
        },
      },
      {
        clock: this.clock,
        random: () => 0.5,
        log: { debug: () => undefined, info: line, warn: line, error: line },
        slots: this.slots,
        machines: () => registry,
        moreToCome: () => this.moreToCome,
        onSettled,
        directory: '/volume',
        execute: (task, { signal }) =>
          new Promise((resolve) => {
            this.begun.push(task.instance);
            this.directory = task.directory;
            this.#ticks.set(task.instance, resolve);
            signal.addEventListener('abort', () => resolve({ kind: 'aborted' }), { once: true });
          }),
      },
      {
        name: 'ant',
        concurrency,
        capacity: 100,
        stays: false,
        trustsStored: true,
        drainMs: DRAIN_MS,
        ...more,
      },
    );
  }

  /** Starts `run`, with these instances put there. */
  async run(...instances: readonly string[]): Promise<FakeSession> {
    void this.worker.run(this.stop.signal).then(
      (summary) => (this.summary = summary),
      (error: unknown) => (this.error = error),
    );
    await setImmediate();
    await this.put(...instances);
    return this.session;
  }

  async put(...instances: readonly string[]): Promise<void> {
    for (const instance of instances) {
      this.session.put(instance);
      await setImmediate();
    }
  }

  async end(
    instance: string,
    result: TickResult = { kind: 'answer', answer: done() },
  ): Promise<void> {
    this.#ticks.get(instance)!(result);
    await setImmediate();
  }

  async drain(): Promise<void> {
    this.session.drain();
    await setImmediate();
  }

  /** Of each settlement, in order: the instance and the kind of its outcome. */
  get outcomes(): string[] {
    return this.session.settlements.map(
      ({ hold, outcome }) => `${parseStateName(hold.name)!.instance} ${outcome.kind}`,
    );
  }
}

describe('taking', () => {
  test('takes no more tasks than it has slots', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a', 'b', 'c');
    expect(bench.begun).toEqual(['a', 'b']);
    expect(session.ready).toMatchObject([{ name: 'c.state' }]);
    await bench.end('a');
    expect(bench.begun).toEqual(['a', 'b', 'c']);
    expect(session.limits).toEqual([2, 1, 0, 1, 0]);
  });

  test('tells a tick the directory of the volume', async () => {
    const bench = new Bench(1);
    await bench.run('a');
    expect(bench.directory).toBe('/volume');
  });

  test('ends a pending take and repeats it with more room when a tick ends', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a');
    expect(session.limits).toEqual([2, 1]);
    await bench.end('a');
    expect(session.limits).toEqual([2, 1, 2]);
    expect(session.isTaking).toBe(true);
  });

  test('keeps a pending take when there is no more room', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a');
    bench.worker.onRoom();
    await setImmediate();
    expect(session.limits).toEqual([2, 1]);
  });

  test('repeats a pending take when another worker leaves its slots', async () => {
    const bench = new Bench(2);
    const other = { running: 0, isActive: true, onRoom: () => undefined };
    bench.slots.join(other);
    const session = await bench.run();
    expect(session.limits).toEqual([1]);
    bench.slots.leave(other);
    await setImmediate();
    expect(session.limits).toEqual([1, 2]);
  });

  test('ticks the next task while the one before is being settled', async () => {
    const bench = new Bench(1);
    const session = await bench.run('a');
    const { promise, resolve } = Promise.withResolvers<Settled>();
    session.onSettle = () => promise;
    await bench.end('a');
    await bench.put('b');
    expect(bench.begun).toEqual(['a', 'b']);
    expect(bench.outcomes).toEqual(['a commit']);
    resolve('settled');
  });

  test('decides what needs no slot while all slots are in use', async () => {
    const bench = new Bench(1);
    const session = await bench.run('a');
    session.put('b', 'unknown');
    await setImmediate();
    expect(bench.outcomes).toEqual(['b refuse']);
    expect(session.settlements[0]!.outcome).toMatchObject({
      code: 'unknown-machine',
      machine: 'unknown',
      stored: { reason: undefined, needsTrust: false },
    });
  });

  describe('what needs no slot until its machine is learned', () => {
    test('is ticked when a slot is free', async () => {
      const bench = new Bench(1);
      bench.stored.set('build', COMMANDS);
      const session = await bench.run();
      session.put('a', 'build');
      await setImmediate();
      expect(bench.begun).toEqual(['a']);
    });

    test('is released when all slots are in use', async () => {
      const bench = new Bench(1);
      bench.stored.set('build', COMMANDS);
      const session = await bench.run('a');
      session.put('b', 'build');
      await setImmediate();
      expect(bench.begun).toEqual(['a']);
      expect(bench.outcomes).toEqual(['b release']);
    });
  });

  test('releases tasks that cannot be decided: configurations cannot be listed', async () => {
    const bench = new Bench(2);
    bench.listError = new Error('EIO');
    await bench.run('a');
    expect(bench.outcomes).toEqual(['a release']);
    expect(bench.logged).toMatchObject({
      'cannot decide; state given back': { err: bench.listError, state: 'a.state' },
    });
    bench.listError = undefined;
    await bench.put('b');
    expect(bench.begun).toEqual(['b']);
  });
});

describe('ticking', () => {
  test('promises an outcome by the timeout of the tick', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a');
    bench.clock.pass(1000);
    await bench.put('b');
    expect(session.deadlines).toEqual({ 'a.state': TIMEOUT_MS, 'b.state': 1000 + TIMEOUT_MS });
  });

  test('settles an outcome with its machine and how long its tick took', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    bench.clock.pass(250);
    await bench.end('a');
    expect(session.settlements).toMatchObject([
      {
        hold: { name: 'a.state', session: 'ant.1' },
        outcome: { kind: 'commit' },
        machine: 'job',
        tick: { started: NOW, duration: 250, attempt: 1 },
      },
    ]);
  });

  test('releases a tick that is aborted by the signal of its task', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    session.abortTask('a');
    await setImmediate();
    expect(bench.outcomes).toEqual(['a release']);
  });

  test('repeats a settlement that meets an error, and ticks go on meanwhile', async () => {
    const bench = new Bench(1);
    const session = await bench.run('a');
    let isBroken = true;
    session.onSettle = () => (isBroken ? Promise.reject(new Error('EIO')) : 'settled');
    await bench.end('a');
    expect(bench.logged).toHaveProperty(['settle failed, will be repeated']);
    isBroken = false;
    bench.clock.pass(50);
    await setImmediate();
    expect(bench.outcomes).toEqual(['a commit', 'a commit']);
    expect(bench.worker.counts).toEqual({ done: 1, failed: 0 });
  });

  test('counts commits that count and states that have failed', async () => {
    const bench = new Bench(4);
    const session = await bench.run('commits', 'loses', 'fails', 'ends');
    session.onSettle = ({ hold: { name }, outcome }) => {
      if (name === 'loses.state') return 'lost';
      return outcome.kind === 'fail' ? 'failed' : 'settled';
    };
    session.unreadable = 10;
    await bench.end('commits');
    await bench.end('loses');
    await bench.end('fails', { kind: 'failed', error: { message: 'no' } });
    await bench.end('ends', { kind: 'aborted' });
    expect(bench.outcomes).toEqual([
      'commits commit',
      'loses commit',
      'fails fail',
      'ends release',
    ]);
    expect(bench.worker.counts).toEqual({ done: 1, failed: 11 });
  });
});

describe('ending', () => {
  test('ends when nothing is left, and closes the session', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    await bench.end('a');
    await bench.drain();
    expect(bench.summary).toEqual({ done: 1, failed: 0, end: 'empty' });
    expect(session.closes).toEqual([Number.POSITIVE_INFINITY]);
  });

  test('waits for the answers to its settlements, though the session has closed', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    const { promise, resolve } = Promise.withResolvers<Settled>();
    session.onSettle = () => promise;
    session.close = async () => undefined;
    await bench.end('a');
    await bench.drain();
    expect(bench.summary).toBeUndefined();
    resolve('settled');
    await setImmediate();
    expect(bench.summary).toEqual({ done: 1, failed: 0, end: 'empty' });
  });

  test('goes on when nothing is left but more is to come', async () => {
    const bench = new Bench();
    bench.moreToCome = true;
    const session = await bench.run();
    await bench.drain();
    expect({ summary: bench.summary, closes: session.closes }).toEqual({
      summary: undefined,
      closes: [],
    });
    bench.moreToCome = false;
    await bench.put('a');
    await bench.end('a');
    await bench.drain();
    expect(bench.summary).toEqual({ done: 1, failed: 0, end: 'empty' });
  });

  test('leaves its slots to other workers', async () => {
    const bench = new Bench(2);
    let offers = 0;
    const other = { running: 0, isActive: true, onRoom: () => (offers += 1) };
    bench.slots.join(other);
    await bench.run();
    expect(bench.slots.limit(other)).toBe(1);
    await bench.drain();
    expect({ limit: bench.slots.limit(other), offers }).toEqual({ limit: 2, offers: 1 });
  });

  test('throws an error of take after what runs is settled', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    const error = new UserError('volume-gone', 'the volume is gone');
    session.fail(error);
    await setImmediate();
    expect({ error: bench.error, closes: session.closes }).toEqual({
      error: undefined,
      closes: [0],
    });
    await bench.end('a');
    expect(bench.outcomes).toEqual(['a commit']);
    expect(bench.error).toBe(error);
    expect(bench.worker.counts).toEqual({ done: 1, failed: 0 });
  });

  test('waits for the answers to its settlements before it throws an error of take', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    const { promise, resolve } = Promise.withResolvers<Settled>();
    session.onSettle = () => promise;
    session.close = async () => undefined;
    await bench.end('a');
    const error = new UserError('volume-gone', 'the volume is gone');
    session.fail(error);
    await setImmediate();
    expect(bench.error).toBeUndefined();
    resolve('settled');
    await setImmediate();
    expect({ error: bench.error, counts: bench.worker.counts }).toEqual({
      error,
      counts: { done: 1, failed: 0 },
    });
  });

  test('throws an error of close, though take ends later', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    const { promise, resolve } = Promise.withResolvers<readonly Task[]>();
    session.take = () => promise;
    const error = new Error('close: refused');
    session.close = async () => Promise.reject(error);
    await bench.end('a');
    bench.stop.abort();
    // A turn of the event loop: an unhandled rejection would be one now.
    await setImmediate();
    expect(bench.error).toBeUndefined();
    resolve([]);
    await setImmediate();
    expect(bench.error).toBe(error);
  });

  test('throws an error of join, and leaves its slots', async () => {
    const bench = new Bench(2);
    const other = { running: 0, isActive: true, onRoom: () => undefined };
    bench.slots.join(other);
    bench.joinError = new UserError('name-in-use', 'the name is in use');
    await expect(bench.worker.run(bench.stop.signal)).rejects.toBe(bench.joinError);
    expect(bench.slots.limit(other)).toBe(2);
  });
});

describe('a failed assertion', () => {
  const bug = new InvariantError('I6: expected one hold of a state');

  test('rejects run and aborts the session when take has met it', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    session.fail(bug);
    await setImmediate();
    expect({ error: bench.error, aborted: session.aborted }).toEqual({
      error: bug,
      aborted: [bug],
    });
    expect(bench.outcomes).toEqual(['a release']);
  });

  test('rejects run and aborts the session when settle has met it, and repeats nothing', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a', 'b');
    session.onSettle = () => Promise.reject(bug);
    await bench.end('a');
    await bench.end('b');
    expect({ error: bench.error, aborted: session.aborted }).toEqual({
      error: bug,
      aborted: [bug],
    });
    bench.clock.pass(10_000);
    await setImmediate();
    expect(session.settlements.filter(({ hold }) => hold.name === 'a.state')).toHaveLength(1);
    expect(bench.logged).not.toHaveProperty('settle failed, will be repeated');
  });

  test('rejects run and settles nothing when the worker meets it', async () => {
    const bench = new Bench();
    void bench.run();
    await setImmediate();
    const { session } = bench;
    session.setDeadline = () => {
      throw bug;
    };
    await bench.put('a');
    expect({ error: bench.error, aborted: session.aborted }).toEqual({
      error: bug,
      aborted: [bug],
    });
    expect(session.settlements).toEqual([]);
  });

  test('begins nothing more of what was taken together', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a', 'b');
    await bench.put('c', 'd');
    let deadlines = 0;
    session.setDeadline = () => {
      deadlines += 1;
      throw bug;
    };
    // Both slots become free in one turn.
    void bench.end('a');
    await bench.end('b');
    expect([bench.error, bench.begun, deadlines]).toEqual([bug, ['a', 'b'], 1]);
  });

  test('is one when a task comes twice', async () => {
    const bench = new Bench(2);
    const session = await bench.run('a');
    const [task] = [...session.handed];
    session.ready.push(task!);
    session.put('b');
    await setImmediate();
    expect(bench.error).toMatchObject({
      code: 'invariant',
      message: 'I6: expected a task once; state a.state, session ant.1',
    });
    expect(session.aborted).toEqual([bench.error]);
  });

  test('rejects run when the worker is stopping', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    bench.stop.abort();
    session.onSettle = () => Promise.reject(bug);
    await bench.end('a');
    expect({ error: bench.error, summary: bench.summary }).toEqual({
      error: bug,
      summary: undefined,
    });
  });

  test('rejects run when the session has closed before', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    session.close = async () => undefined;
    bench.stop.abort();
    session.now = () => {
      throw bug;
    };
    await bench.end('a');
    expect({ error: bench.error, aborted: session.aborted }).toEqual({
      error: bug,
      aborted: [bug],
    });
    expect(session.settlements).toEqual([]);
  });

  test('is none when a listener of a step throws: the step stays settled', async () => {
    const bench = new Bench(1, {}, () => {
      throw new Error('listener');
    });
    const session = await bench.run('a');
    await bench.end('a');
    await bench.drain();
    expect(bench.outcomes).toEqual(['a commit']);
    expect(session.aborted).toEqual([]);
    expect(bench.summary).toMatchObject({ done: 1, end: 'empty' });
    expect(bench.logged).toMatchObject({ 'cannot report a settled step': { state: 'a.state' } });
  });
});

describe('stopping', () => {
  test('closes the session at once, takes nothing more, and settles what runs', async () => {
    const bench = new Bench(1);
    const session = await bench.run('a', 'b');
    bench.stop.abort();
    expect(session.closes).toEqual([DRAIN_MS]);
    expect(bench.logged['stopping']).toEqual({ running: 1, drainMs: DRAIN_MS });
    await setImmediate();
    expect(bench.summary).toBeUndefined();
    await bench.end('a');
    expect(bench.begun).toEqual(['a']);
    expect(bench.outcomes).toEqual(['a commit']);
    expect(bench.summary).toEqual({ done: 1, failed: 0, end: 'stopped' });
  });

  test('ends a pending take', async () => {
    const bench = new Bench();
    const session = await bench.run();
    expect(session.isTaking).toBe(true);
    bench.stop.abort();
    await setImmediate();
    expect(session.isTaking).toBe(false);
    expect(bench.summary).toEqual({ done: 0, failed: 0, end: 'stopped' });
  });

  test('takes nothing at all when it was stopped before it has joined', async () => {
    const bench = new Bench();
    bench.stop.abort();
    const session = await bench.run();
    expect({ limits: session.limits, closes: session.closes[0] }).toEqual({
      limits: [],
      closes: DRAIN_MS,
    });
    expect(bench.summary).toEqual({ done: 0, failed: 0, end: 'stopped' });
  });

  test('does not end as stopped when nothing was left before', async () => {
    const bench = new Bench();
    const session = await bench.run('a');
    await bench.drain();
    bench.stop.abort();
    await bench.end('a');
    expect(bench.summary).toEqual({ done: 1, failed: 0, end: 'empty' });
    expect(session.closes).toEqual([Number.POSITIVE_INFINITY]);
  });
});

describe('what it tells the engine', () => {
  test('says what it is, and which machines it has', async () => {
    const bench = new Bench(2, { stays: true });
    const { info } = await bench.run();
    expect(info).toMatchObject({
      name: 'ant',
      concurrency: 2,
      capacity: 100,
      stays: true,
      observes: [],
    });
    expect(info.machines()).toEqual({ machines: ['job', '*'], states: { job: ['job'] } });
    expect(info.machines()).toBe(info.machines());
  });

  test('says which states need a slot, and which it would run', async () => {
    const bench = new Bench();
    bench.stored.set('build', COMMANDS);
    const { info } = await bench.run();
    const [job, build, unknown] = ['job', 'build', 'unknown'].map((state) => ({
      state,
      payload: {},
    }));
    expect({ job: info.needsSlot(job!), build: info.needsSlot(build!) }).toEqual({
      job: true,
      build: false,
    });
    expect({
      job: await info.runs(job!),
      build: await info.runs(build!),
      unknown: await info.runs(unknown!),
    }).toEqual({ job: true, build: true, unknown: false });
    expect(info.needsSlot(build!)).toBe(true);
  });

  test('says how many slots it has: fewer while other workers are active', async () => {
    const bench = new Bench(4);
    const { info } = await bench.run();
    expect(info.slots()).toBe(4);
    bench.slots.join({ running: 0, isActive: true, onRoom: () => undefined });
    expect(info.slots()).toBe(2);
  });

  test('offers its slots to other workers when its engine is idle only after it has settled', async () => {
    const bench = new Bench(4);
    const session = await bench.run('a');
    let wasActive: boolean | undefined;
    const other = {
      running: 0,
      isActive: true,
      onRoom: () => void (wasActive = bench.worker.isActive),
    };
    bench.slots.join(other);
    session.onSettle = () => {
      session.isIdle = true;
      return 'settled';
    };
    await bench.end('a');
    expect({ wasActive, limit: bench.slots.limit(other) }).toEqual({ wasActive: false, limit: 4 });
  });

  test('takes with the slots of a worker that has become idle when it is asked for its own', async () => {
    const bench = new Bench(2);
    const other = { running: 0, isActive: true, onRoom: () => undefined };
    bench.slots.join(other);
    const session = await bench.run('a');
    session.put('b');
    await setImmediate();
    expect(bench.begun).toEqual(['a']);
    other.isActive = false;
    expect(session.info.slots()).toBe(2);
    await setImmediate();
    expect(bench.begun).toEqual(['a', 'b']);
  });

  test('is active until its engine is idle and nothing runs', async () => {
    const bench = new Bench();
    expect(bench.worker.isActive).toBe(true);
    const session = await bench.run('a');
    session.isIdle = true;
    expect({ isActive: bench.worker.isActive, running: bench.worker.running }).toEqual({
      isActive: true,
      running: 1,
    });
    await bench.end('a');
    expect({ isActive: bench.worker.isActive, running: bench.worker.running }).toEqual({
      isActive: false,
      running: 0,
    });
  });
});
