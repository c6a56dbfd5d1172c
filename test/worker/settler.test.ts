/** How outcomes are gathered and handed to an engine, in virtual time, and what is logged of them. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Settled, Settlement, Outcome } from '../../src/engine/session.ts';
import { UserError } from '../../src/machine/errors.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { Settler, SettledLog, type SettledStep } from '../../src/worker/settler.ts';
import type { Log } from '../../src/engine/ports.ts';
import { StillClock } from '../still-clock.ts';

interface Call {
  readonly settlements: readonly Settlement[];
  readonly resolve: (settled: readonly Settled[]) => void;
  readonly reject: (error: Error) => void;
}

/** An engine that answers when it is told to. */
class Bench {
  readonly clock = new StillClock();
  readonly calls: Call[] = [];
  readonly errors: unknown[] = [];
  readonly settler: Settler;
  /** What each settlement has come to, by the name of its state. */
  readonly results: Record<string, Settled> = {};

  constructor(concurrentSettles = 1) {
    const settle = (settlements: readonly Settlement[]): Promise<readonly Settled[]> =>
      new Promise((resolve, reject) => {
        this.calls.push({ settlements, resolve, reject });
      });
    this.settler = new Settler({ settle, concurrentSettles }, this.clock, {
      onSettled: ({ settlement }, settled) => (this.results[settlement.hold.name] = settled),
      onError: (error) => this.errors.push(error),
    });
  }

  async settle(...settlements: readonly Settlement[]): Promise<void> {
    for (const settlement of settlements) {
      this.settler.settle({ settlement, maximumAttempts: undefined });
    }
    await setImmediate();
  }

  async answer(index: number, settled: Settled = 'settled'): Promise<void> {
    const { settlements, resolve } = this.calls[index]!;
    resolve(settlements.map(() => settled));
    await setImmediate();
  }

  async fail(index: number, error: Error): Promise<void> {
    this.calls[index]!.reject(error);
    await setImmediate();
  }

  async pass(ms: number): Promise<void> {
    this.clock.pass(ms);
    await setImmediate();
  }

  /** Names of the states in each call so far. */
  get batches(): string[][] {
    return this.calls.map(({ settlements }) => settlements.map(({ hold }) => hold.name));
  }
}

const release = (name: string): Settlement => ({
  hold: { name, session: 'ant.1' },
  outcome: { kind: 'release' },
});
const many = (count: number): Settlement[] =>
  Array.from({ length: count }, (_, index) => release(`s${index}`));

type Part = 'next' | 'branches' | 'emit' | 'output';

/** A commit one part of whose record has so many characters. */
function commit(name: string, length: number, part: Part = 'next'): Settlement {
  const content = 'x'.repeat(length);
  const common = { flockwork: 1, state: name, session: 'ant.1', worker: 'ant' } as const;
  const file = { name: `${name}-1`, content };
  const record = {
    ...common,
    started: 't',
    finished: 't',
    ...{
      next: { next: file },
      branches: { branches: [file] },
      emit: { emit: [file] },
      // JSON adds two quotes.
      output: { output: content.slice(2) },
    }[part],
  };
  return { hold: { name, session: 'ant.1' }, outcome: { kind: 'commit', record } };
}

describe('Settler', () => {
  test('sends what ends in one turn in one call, in that order', async () => {
    const bench = new Bench();
    await bench.settle(release('a'), release('b'), release('c'));
    expect(bench.batches).toEqual([['a', 'b', 'c']]);
  });

  test('resolves each with its own result', async () => {
    const bench = new Bench();
    await bench.settle(release('a'), release('b'));
    bench.calls[0]!.resolve(['settled', 'lost']);
    await setImmediate();
    expect(bench.results).toEqual({ a: 'settled', b: 'lost' });
  });

  test('gathers while as many calls as the session allows are under way', async () => {
    const bench = new Bench(2);
    for (const name of ['a', 'b', 'c', 'd']) await bench.settle(release(name));
    expect(bench.batches).toEqual([['a'], ['b']]);
    await bench.answer(1);
    expect(bench.batches).toEqual([['a'], ['b'], ['c', 'd']]);
    expect(bench.results).toEqual({ b: 'settled' });
    await bench.settle(release('e'));
    await bench.answer(0);
    expect(bench.batches).toEqual([['a'], ['b'], ['c', 'd'], ['e']]);
  });

  test('sends at most 128 in one call', async () => {
    const bench = new Bench();
    await bench.settle(...many(300));
    await bench.answer(0);
    await bench.answer(1);
    expect(bench.batches.map(({ length }) => length)).toEqual([128, 128, 44]);
  });

  test.each(['next', 'branches', 'emit', 'output'] as const)(
    'sends at most 1 MiB of %s in one call',
    async (part) => {
      const bench = new Bench(Number.POSITIVE_INFINITY);
      const half = 512 * 1024;
      await bench.settle(
        commit('a', half, part),
        commit('b', half, part),
        commit('c', 2, part),
        release('d'),
      );
      expect(bench.batches).toEqual([
        ['a', 'b'],
        ['c', 'd'],
      ]);
    },
  );

  test('sends a longer one by itself', async () => {
    const bench = new Bench(Number.POSITIVE_INFINITY);
    await bench.settle(commit('a', 3 * 1024 * 1024), release('b'));
    expect(bench.batches).toEqual([['a'], ['b']]);
  });
});

describe('Settler when a call fails', () => {
  test('repeats it with the same settlements after a pause, and gathers meanwhile', async () => {
    const bench = new Bench();
    await bench.settle(release('a'), release('b'));
    await bench.fail(0, new Error('EIO'));
    await bench.settle(release('c'));
    await bench.pass(49);
    expect(bench.batches).toEqual([['a', 'b']]);
    await bench.pass(1);
    expect(bench.batches).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
    expect(bench.calls[1]!.settlements).toEqual(bench.calls[0]!.settlements);
    expect(bench.errors).toEqual([new Error('EIO')]);
    expect(bench.results).toEqual({});
    await bench.answer(1);
    expect(bench.results).toEqual({ a: 'settled', b: 'settled' });
    expect(bench.batches.at(-1)).toEqual(['c']);
  });

  test('doubles the pause each time, up to 5 s', async () => {
    const bench = new Bench();
    await bench.settle(release('a'));
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      await bench.fail(attempt, new Error('EIO'));
      const before = bench.clock.now();
      while (bench.calls.length === attempt + 1) await bench.pass(50);
      pauses.push(bench.clock.now() - before);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  });

  test('begins with a short pause again after a success', async () => {
    const bench = new Bench();
    await bench.settle(release('a'));
    await bench.fail(0, new Error('EIO'));
    await bench.pass(50);
    await bench.fail(1, new Error('EIO'));
    await bench.pass(100);
    await bench.answer(2);
    await bench.settle(release('b'));
    await bench.fail(3, new Error('EIO'));
    await bench.pass(50);
    expect(bench.batches).toEqual([['a'], ['a'], ['a'], ['b'], ['b']]);
  });

  test('tells unsure when an assertion has failed, and repeats nothing', async () => {
    const bench = new Bench();
    await bench.settle(release('a'));
    const bug = new InvariantError('I1: expected one commit of a state');
    await bench.fail(0, bug);
    await bench.pass(10_000);
    expect({ results: bench.results, errors: bench.errors, calls: bench.calls.length }).toEqual({
      results: { a: 'unsure' },
      errors: [bug],
      calls: 1,
    });
  });

  test('takes too few answers for a bug', async () => {
    const bench = new Bench();
    await bench.settle(release('a'));
    bench.calls[0]!.resolve([]);
    await bench.pass(10_000);
    expect(bench.results).toEqual({ a: 'unsure' });
    expect(bench.errors).toMatchObject([
      { code: 'invariant', message: 'I1: expected an answer for each settlement; state a' },
    ]);
  });

  test('tells unsure when the session has ended with a UserError, and repeats nothing', async () => {
    const bench = new Bench();
    await bench.settle(release('a'), release('b'));
    const error = new UserError('volume-gone', 'the volume is gone');
    await bench.fail(0, error);
    expect(bench.results).toEqual({ a: 'unsure', b: 'unsure' });
    expect(bench.errors).toEqual([error]);
    expect({ sleeps: bench.clock.sleeps, calls: bench.calls.length }).toEqual({
      sleeps: 0,
      calls: 1,
    });
  });
});

interface Line {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

const who = { session: 'ant.1', worker: 'ant' };
const COMMIT: Outcome = { kind: 'commit', record: undefined };
const FAIL: Outcome = {
  kind: 'fail',
  record: { flockwork: 1, state: 'x.state', ...who, at: '', code: 'fatal', reason: 'not JSON' },
};
const RETRY: Outcome = {
  kind: 'retry',
  attempt: {
    ...who,
    attempt: 2,
    started: '2026-11-25T00:00:00.000Z',
    ended: '2026-11-25T00:00:01.000Z',
    notBefore: '2026-11-25T00:00:03.000Z',
    result: 'failed',
    error: { message: 'ENOENT' },
  },
};
const step = (outcome: Outcome, more: Partial<SettledStep> = {}): SettledStep => ({
  state: 'x.state',
  outcome,
  settled: 'settled',
  ...more,
});

/** Lines of steps that settle in one turn. */
async function linesOf(...steps: readonly SettledStep[]): Promise<Line[]> {
  const lines: Line[] = [];
  const at =
    (level: string): Log['info'] =>
    (fields, message) =>
      void lines.push({ level, fields, message });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const settledLog = new SettledLog(log);
  for (const one of steps) settledLog.add(one);
  expect(lines).toEqual([]);
  await Promise.resolve();
  return lines;
}

describe('SettledLog', () => {
  test.each<[string, SettledStep, Line]>([
    [
      'a commit',
      step(COMMIT, { durationMs: 20 }),
      { level: 'info', fields: { state: 'x.state', durationMs: 20 }, message: 'state done' },
    ],
    [
      'a commit without a tick',
      step(COMMIT),
      { level: 'info', fields: { state: 'x.state' }, message: 'state done' },
    ],
    [
      'a failed state: why',
      step(FAIL, { settled: 'failed', durationMs: 20 }),
      {
        level: 'error',
        fields: { state: 'x.state', durationMs: 20, code: 'fatal', reason: 'not JSON' },
        message: 'state failed',
      },
    ],
    [
      'a failed attempt: which one it was, and when the next one is',
      step(RETRY, { maximumAttempts: 5, durationMs: 1000 }),
      {
        level: 'warn',
        fields: {
          state: 'x.state',
          durationMs: 1000,
          attempt: 2,
          maximumAttempts: 5,
          retryInMs: 2000,
          error: 'ENOENT',
        },
        message: 'attempt failed',
      },
    ],
    [
      'a commit after that of another session',
      step(COMMIT, { settled: 'lost' }),
      {
        level: 'warn',
        fields: { state: 'x.state' },
        message: 'result dropped: another worker has committed this state',
      },
    ],
    [
      'a commit whose session has expired',
      step(COMMIT, { settled: 'unsure' }),
      {
        level: 'warn',
        fields: { state: 'x.state' },
        message: 'result uncertain: the session expired',
      },
    ],
    [
      'a decision that is outdated',
      step(COMMIT, { settled: 'outdated' }),
      { level: 'debug', fields: { state: 'x.state' }, message: 'decision outdated: taken again' },
    ],
    [
      'a state that waits',
      step({ kind: 'wait' }),
      { level: 'debug', fields: { state: 'x.state' }, message: 'state waits for an event' },
    ],
    [
      'a released state',
      step({ kind: 'release' }),
      {
        level: 'info',
        fields: { state: 'x.state', outcome: 'release' },
        message: 'state given back',
      },
    ],
    [
      'a refused state that another worker may know',
      step({ kind: 'refuse', code: 'unknown-machine', machine: 'magic', reason: 'r' }),
      {
        level: 'info',
        fields: { state: 'x.state', outcome: 'refuse' },
        message: 'state given back',
      },
    ],
    [
      'a refused state that no worker knows',
      step(
        { kind: 'refuse', code: 'unknown-machine', machine: 'magic', reason: 'r' },
        { settled: 'failed' },
      ),
      {
        level: 'error',
        fields: { state: 'x.state', code: 'unknown-machine', machine: 'magic', reason: 'r' },
        message: 'state failed: no worker knows its machine',
      },
    ],
  ])('logs %s', async (_what, settled, line) => {
    expect(await linesOf(settled)).toEqual([line]);
  });

  test('logs 16 commits of one turn one by one', async () => {
    const steps = Array.from({ length: 16 }, (_, index) => step(COMMIT, { state: `s${index}` }));
    const lines = await linesOf(...steps);
    expect(lines.map(({ fields }) => fields['state'])).toEqual(steps.map(({ state }) => state));
  });

  test('logs only the number of more commits, and what is not a plain commit by itself', async () => {
    const commits = Array.from({ length: 17 }, () => step(COMMIT));
    const lines = await linesOf(step(RETRY), ...commits, step(COMMIT, { settled: 'lost' }));
    expect(lines.map(({ message }) => message)).toEqual([
      'states done',
      'attempt failed',
      'result dropped: another worker has committed this state',
    ]);
    expect(lines[0]).toEqual({ level: 'info', fields: { states: 17 }, message: 'states done' });
  });
});
