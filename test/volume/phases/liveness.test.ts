import { describe, expect, test } from 'vitest';
import { hash, HASHES } from '../../../src/volume/phases/hash.ts';
import {
  isDead,
  observe,
  ownsKey,
  isForeign,
  SilentFlags,
} from '../../../src/volume/phases/liveness.ts';
import type { RosterEntry } from '../../../src/volume/phases/assignment.ts';
import { worker } from './given.ts';

describe('a dead session', () => {
  test('has a counter that has not moved for the lease, on the observer’s own clock', () => {
    const observation = observe(undefined, 7, 1000);
    expect(isDead(observe(observation, 7, 10_999), 10_000)).toBe(false);
    expect(isDead(observe(observation, 7, 11_000), 10_000)).toBe(true);
  });

  test('is not renewed by the same counter', () => {
    const again = observe(observe(undefined, 7, 1000), 7, 9000);
    expect(isDead(observe(again, 7, 11_000), 10_000)).toBe(true);
  });

  test('I8: is not detected by an observer that has not looked for a long time', () => {
    const before = observe(observe(undefined, 7, 1000), 7, 2000);
    expect(isDead(before, 10_000)).toBe(false);
    expect(isDead(observe(before, 8, 99_000), 10_000)).toBe(false);
  });

  test('is renewed by a counter that moves in either direction: a new file may begin anew', () => {
    for (const counter of [8, 2]) {
      const moved = observe(observe(undefined, 7, 1000), counter, 9000);
      expect(isDead(observe(moved, counter, 11_000), 10_000)).toBe(false);
    }
  });

  test.each([[undefined], [Number.NaN], [-1], [1.5], [2 ** 60]])(
    'I8: %s is no information: it neither ends nor renews anything',
    (strange) => {
      const before = observe(undefined, 7, 1000);
      expect(observe(before, strange, 5000)).toEqual({ ...before, looked: 5000 });
      expect(observe(undefined, strange, 1000)).toEqual(observe(undefined, undefined, 1000));
    },
  );

  test('a slow read never ages a session', () => {
    const slow = observe(undefined, 7, 1000, 9000);
    expect(isDead(observe(slow, 7, 11_000), 10_000)).toBe(false);
    expect(isDead(observe(slow, 7, 18_999, 99_000), 10_000)).toBe(false);
    expect(isDead(observe(slow, 7, 19_000), 10_000)).toBe(true);
  });

  test('a session whose lease was never seen is dead after a lease, too', () => {
    const observation = observe(undefined, undefined, 1000);
    expect(isDead(observe(observation, undefined, 10_999), 10_000)).toBe(false);
    expect(isDead(observe(observation, undefined, 11_000), 10_000)).toBe(true);
  });
});

describe('recovery is split among live sessions', () => {
  const living = ['a', 'b', 'c'];

  test('each key belongs to exactly one, when all agree', () => {
    for (let cycle = 0; cycle < 50; cycle += 1) {
      const keepers = living.filter((self) => ownsKey('x.state', self, living, cycle));
      expect(keepers.length).toBe(1);
    }
  });

  test('the owner rotates with the cycle', () => {
    const mine = [0, 1, 2].filter((cycle) => ownsKey('x.state', 'a', living, cycle));
    expect(mine.length).toBe(1);
  });

  test('live sessions may be listed in any order, and with or without this one', () => {
    for (let cycle = 0; cycle < 10; cycle += 1) {
      const expected = ownsKey('x.state', 'b', living, cycle);
      for (const listed of [
        ['c', 'b', 'a'],
        ['c', 'a'],
        ['a', 'a', 'b', 'c'],
      ]) {
        expect(ownsKey('x.state', 'b', listed, cycle)).toBe(expected);
      }
    }
  });

  test('many keys are spread evenly', () => {
    const keys = Array.from({ length: 3000 }, (_, index) => `s${index}.state`);
    for (const self of living) {
      const mine = keys.filter((key) => ownsKey(key, self, living, 7)).length;
      expect(Math.abs(mine - 1000)).toBeLessThan(150);
    }
  });

  test('a session that sees no other owns every key', () => {
    expect(ownsKey('x.state', 'a', [], 5)).toBe(true);
  });
});

describe('the hash', () => {
  /** Squared deviation from an even spread, divided by its expectation: about 1. */
  const unevenness = (hashes: readonly number[], buckets: number): number => {
    const counts = new Array<number>(buckets).fill(0);
    for (const value of hashes) counts[Math.floor((value / HASHES) * buckets)]! += 1;
    const even = hashes.length / buckets;
    return counts.reduce((sum, count) => sum + (count - even) ** 2 / even, 0) / (buckets - 1);
  };
  const range = (length: number): number[] => Array.from({ length }, (_, index) => index);

  test.each([
    ['numbered', (index: number) => `s${index}`],
    ['padded', (index: number) => `job-${String(index).padStart(8, '0')}`],
    ['numbered at the front', (index: number) => `${index}.night-run`],
    ['alike in all but the last letter', (index: number) => `run${String.fromCharCode(index)}`],
  ])('spreads names evenly that are %s', (_what, name) => {
    for (const salt of [0, 1, 0xdeadbeef]) {
      const hashes = range(16_000).map((index) => hash(name(index), salt));
      expect(new Set(hashes).size).toBeGreaterThan(15_990);
      for (const buckets of [4, 7, 64]) expect(unevenness(hashes, buckets)).toBeLessThan(3);
    }
  });

  test('spreads salts evenly: the starts of cycles are all over the ring', () => {
    expect(
      unevenness(
        range(16_000).map((salt) => hash('s', salt)),
        64,
      ),
    ).toBeLessThan(3);
  });

  test('is another hash with another salt: neighbours are separated', () => {
    const together = range(64_000).filter((index) => hash(`s${index}`, 1) < HASHES / 16);
    const hashes = together.map((index) => hash(`s${index}`, 2));
    expect(unevenness(hashes, 16)).toBeLessThan(3);
  });

  test('is 32 bits, and the same on every host and in every version: fleets are mixed', () => {
    expect(['', 'a', 'hello', '\u{1F600}'].map((text) => hash(text))).toEqual([
      2872998923, 444641715, 2290972270, 1787143206,
    ]);
    expect(hash('hello', 7)).not.toBe(hash('hello'));
  });
});

const foreign = (name: string): RosterEntry => ({
  session: name,
  name,
  concurrency: 1,
  capacity: 1,
});
const ant = worker('ant');
const left = foreign('aaa');

/** Flags that become silent in each look: `pair` is the state of the flag, `available` the available states. */
function turns(
  looks: readonly {
    roster?: RosterEntry[];
    pair: string | undefined;
    available: string[];
    cycle?: number;
  }[],
): { found: string[][]; silent: SilentFlags } {
  const silent = new SilentFlags();
  const found = looks.map(({ roster = [left, ant], pair, available, cycle }, index) =>
    silent.look(
      roster,
      () => pair,
      (state) => available.includes(state),
      cycle ?? index,
    ),
  );
  return { found, silent };
}

const waiting = { pair: 'x.state', available: ['x.state'] };

describe('a flag without a session', () => {
  test('is distinguished from a flag of a session', () => {
    expect([left, ant].map(isForeign)).toEqual([true, false]);
  });

  test('is silent after it has not claimed its state for two cycles, and is found once', () => {
    const { found, silent } = turns([waiting, waiting, waiting, waiting]);
    expect(found).toEqual([[], [], ['aaa'], []]);
    expect(silent.without([left, ant])).toEqual([ant]);
  });

  test('counts cycles, not looks', () => {
    const { found } = turns([
      { ...waiting, cycle: 5 },
      { ...waiting, cycle: 7 },
    ]);
    expect(found).toEqual([[], ['aaa']]);
  });

  test('is not silent while it claims what it is paired with', () => {
    const looks = ['a', 'b', 'c', 'd', 'e'].map((pair) => ({ pair, available: [pair] }));
    const { found, silent } = turns(looks);
    expect(found.flat()).toEqual([]);
    expect(silent.without([left, ant])).toEqual([left, ant]);
  });

  test('is not silent if there is no state for it', () => {
    const { found } = turns(Array.from({ length: 9 }, () => ({ pair: undefined, available: [] })));
    expect(found.flat()).toEqual([]);
  });

  test('stays silent though others claim its state, until it is removed', () => {
    const taken = { pair: 'y.state', available: ['y.state'] };
    const { silent } = turns([waiting, waiting, waiting, taken]);
    expect(silent.without([left, ant])).toEqual([ant]);
    const gone = turns([waiting, waiting, waiting, { ...waiting, roster: [ant] }, waiting]);
    expect(gone.silent.without([left, ant])).toEqual([left, ant]);
  });

  test('is never one of a worker with a session, which has a lease', () => {
    const { silent } = turns(Array.from({ length: 5 }, () => ({ ...waiting, roster: [ant] })));
    expect(silent.without([ant])).toEqual([ant]);
  });
});
