/** The ring of available states: the same for all workers, in flat arrays. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hash } from '../../../src/volume/phases/hash.ts';
import { Names } from '../../../src/volume/phases/names.ts';
import { compareCodePoints } from '../../../src/machine/name.ts';
import { Ring, type RingEntry } from '../../../src/volume/phases/ring.ts';
import { collectGarbage } from '../../garbage.ts';
import { mixedLists, shuffled, task, tasks } from './given.ts';

/** All that a ring returns. */
const shown = (ring: Ring): object => ({
  names: ring.names,
  places: ring.names.map((_, index) => ring.placeAt(index)),
  refused: ring.refused.map((name) => [name, ring.refusedBy(name)]),
  size: ring.size,
});

const inOrder = (list: readonly RingEntry[]): RingEntry[] =>
  list.toSorted((a, b) => hash(a.instance) - hash(b.instance) || compareCodePoints(a.name, b.name));

/** Starts before, at, after and between its places. */
const starts = (list: readonly RingEntry[]): fc.Arbitrary<number> => {
  const any = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const near = list.flatMap(({ instance }) => [-1, 0, 1].map((off) => hash(instance) + off));
  return near.length === 0 ? any : fc.oneof(any, fc.constantFrom(...near));
};

describe('the order of the ring', () => {
  test('is that of places, and of names by code points where places are equal', () => {
    fc.assert(
      fc.property(mixedLists, (list) => {
        const ring = Ring.of(list);
        const sorted = inOrder(list);
        expect(ring.names).toEqual(sorted.map(({ name }) => name));
        expect(sorted.map((_, index) => ring.placeAt(index))).toEqual(
          sorted.map(({ instance }) => hash(instance)),
        );
      }),
    );
  });

  test('does not depend on the order of the input', () => {
    const inputs = mixedLists.chain((list) => fc.tuple(fc.constant(list), shuffled(list)));
    fc.assert(
      fc.property(inputs, ([list, other]) => {
        expect(shown(Ring.of(other))).toEqual(shown(Ring.of(list)));
      }),
    );
  });

  test('has a character above U+FFFF after all others, as every worker has', () => {
    const names = Names.of(['\u{1F600}', '\uFFFD', 'z', 'a', 'a0']);
    const ring = Ring.from(names, new Uint32Array(names.size).fill(7));
    expect(ring.names).toEqual(['a', 'a0', 'z', '\uFFFD', '\u{1F600}']);
  });

  test('treats places as unsigned numbers of 32 bits', () => {
    const places = Uint32Array.of(2 ** 32 - 1, 2 ** 31, 2 ** 31 - 1, 0);
    expect(Ring.from(Names.of(['d', 'c', 'b', 'a']), places).names).toEqual(['a', 'b', 'c', 'd']);
  });
});

describe('once round', () => {
  test('visits every name, from the first place at or after the start', () => {
    const inputs = mixedLists.chain((list) => fc.tuple(fc.constant(list), starts(list)));
    fc.assert(
      fc.property(inputs, ([list, start]) => {
        const ring = Ring.of(list);
        const sorted = inOrder(list);
        const isBefore = ({ instance }: RingEntry): boolean => hash(instance) < start;
        const expected = [...sorted.filter((one) => !isBefore(one)), ...sorted.filter(isBefore)];
        expect(Array.from(ring.from(start), (index) => ring.nameAt(index))).toEqual(
          expected.map(({ name }) => name),
        );
      }),
    );
  });

  test('is empty on an empty ring', () => {
    expect([...Ring.of([]).from(5)]).toEqual([]);
    expect(shown(Ring.of([]))).toEqual({ names: [], places: [], refused: [], size: 0 });
  });
});

describe('a removed name', () => {
  test('is gone, however often it is removed; all others stay at their indices', () => {
    const inputs = mixedLists.chain((list) =>
      fc.tuple(fc.constant(list), fc.array(fc.nat({ max: Math.max(0, list.length - 1) }))),
    );
    fc.assert(
      fc.property(inputs, ([list, removed]) => {
        fc.pre(list.length > 0);
        const ring = Ring.of(list);
        for (const index of removed) ring.remove(index);
        const sorted = inOrder(list);
        const left = sorted.map(({ name }, index) => (removed.includes(index) ? undefined : name));
        expect(sorted.map((_, index) => ring.nameAt(index))).toEqual(left);
        expect(ring.names).toEqual(left.filter((name) => name !== undefined));
        expect(ring.size).toBe(ring.names.length);
      }),
    );
  });
});

describe('a refused name', () => {
  test('has its sessions, and is listed in an order that all workers agree on', () => {
    const list = [
      task('b', ['s']),
      task('\u{1F600}', ['s']),
      task('\uFFFD', ['s', 't']),
      task('a', []),
    ];
    const ring = Ring.of(list);
    expect(ring.refused).toEqual(['b.state', '\uFFFD.state', '\u{1F600}.state']);
    expect(ring.refusedBy('\uFFFD.state')).toEqual(['s', 't']);
    expect(ring.refusedBy('a.state')).toEqual([]);
    expect(Ring.of([task('a')]).refusedBy('a.state')).toEqual([]);
  });
});

describe('a million names', () => {
  const MILLION = 1_000_000;

  /** Bytes in use: on the heap, and in flat arrays beside it. */
  function inUse(): number {
    collectGarbage();
    // Arrays that the first collection has found are freed by the second at the latest.
    collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }

  test('take two numbers each besides their bytes, and no quadratic time', () => {
    const names = new Names();
    for (let index = 0; index < MILLION; index += 1) names.push(`s${index}.state`);
    const places = Uint32Array.from(names, (name) => hash(name));
    const before = inUse();
    const start = performance.now();
    const ring = Ring.from(names, places);
    // About 0.7 s.
    expect(performance.now() - start).toBeLessThan(15_000);
    // 4 bytes for the start, 4 for the place, 1 for removal; a string for each would be 30 and more.
    expect((inUse() - before) / MILLION).toBeLessThan(12);
    expect(ring.size).toBe(names.size);
  });

  test('at one place take no longer', () => {
    const list = tasks(100_000).map(({ name }) => ({ name, instance: 'one' }));
    const start = performance.now();
    const ring = Ring.of(list);
    // About 0.2 s; quadratic time would be minutes.
    expect(performance.now() - start).toBeLessThan(5000);
    expect(ring.names.slice(0, 3)).toEqual(['s0.state', 's1.state', 's10.state']);
  });
});
