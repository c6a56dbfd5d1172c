/** How outcomes are gathered and handed to an engine, in virtual time. */
import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Settled, Settlement } from '../../src/engine/session.ts';
import { UserError } from '../../src/machine/errors.ts';
import { InvariantError } from '../../src/machine/invariant.ts';
import { Settler } from '../../src/worker/settler.ts';
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
