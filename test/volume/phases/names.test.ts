/** Names packed into flat arrays. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Names } from '../../../src/volume/phases/names.ts';
import { compareCodePoints } from '../../../src/machine/name.ts';

/** One to four bytes per character; few letters, so that names are prefixes of each other. */
const name: fc.Arbitrary<string> = fc.string({
  unit: fc.constantFrom('a', 'b', 'é', '大', '\uFFFD', '\u{1F600}'),
  maxLength: 8,
});
const lists: fc.Arbitrary<string[]> = fc.array(name, { maxLength: 60 });

const indicesInto = (list: readonly string[]): fc.Arbitrary<number[]> =>
  list.length === 0 ? fc.constant([]) : fc.array(fc.nat({ max: list.length - 1 }));

describe('packed names', () => {
  test('are returned as they were pushed, all and one by one', () => {
    fc.assert(
      fc.property(lists, (list) => {
        const names = Names.of(list);
        expect([...names]).toEqual(list);
        expect(list.map((_, index) => names.at(index))).toEqual(list);
        expect(names.size).toBe(list.length);
      }),
    );
  });

  test('compare by code points', () => {
    fc.assert(
      fc.property(name, name, (one, other) => {
        const compared = Names.of([one, other]).compare(0, 1);
        expect(Math.sign(compared)).toBe(Math.sign(compareCodePoints(one, other)));
      }),
    );
  });

  test('may be as long as 16 bits of length allow', () => {
    const long = 'é'.repeat(30_000);
    expect([...Names.of([long, 'a', long])]).toEqual([long, 'a', long]);
    expect(() => Names.of(['x'.repeat(2 ** 16)])).toThrow(RangeError);
  });
});

describe('a selection', () => {
  test('has the names at the indices, in their order; also a selection of a selection', () => {
    const inputs = lists.chain((list) =>
      fc.tuple(fc.constant(list), indicesInto(list), indicesInto(list)),
    );
    fc.assert(
      fc.property(inputs, ([list, first, second]) => {
        const once = Names.of(list).select(Uint32Array.from(first));
        expect([...once]).toEqual(first.map((index) => list[index]));
        const within = second.filter((index) => index < first.length);
        const twice = once.select(Uint32Array.from(within));
        expect([...twice]).toEqual(within.map((index) => list[first[index]!]));
      }),
    );
  });

  test('and its source may grow independently', () => {
    // However much room there is left in the shared bytes.
    for (let size = 1; size <= 40; size += 1) {
      const names = Array.from({ length: size }, (_, index) => String(index));
      const source = Names.of(names);
      const selected = source.select(Uint32Array.of(size - 1));
      source.push('s');
      selected.push('t');
      source.push('u');
      expect([...source]).toEqual([...names, 's', 'u']);
      expect([...selected]).toEqual([names.at(-1), 't']);
    }
  });
});

describe('among others', () => {
  test('each is found at its index', () => {
    fc.assert(
      fc.property(lists, fc.uniqueArray(name, { maxLength: 60 }), (list, others) => {
        expect([...Names.of(list).placesIn(Names.of(others))]).toEqual(
          list.map((one) => others.indexOf(one)),
        );
      }),
    );
  });
});

describe('without others', () => {
  test('has the names that are not among the others, in order; selections too', () => {
    fc.assert(
      fc.property(lists, lists, fc.boolean(), (list, others, turned) => {
        const names = Names.of(list);
        const last = Uint32Array.from(list, (_, index) => list.length - 1 - index);
        const [left, given] = turned ? [names.select(last), list.toReversed()] : [names, list];
        expect([...left.without(Names.of(others))]).toEqual(
          given.filter((one) => !others.includes(one)),
        );
      }),
    );
  });

  test('takes no quadratic time with half of a million', () => {
    const [all, odd] = [new Names(), new Names()];
    for (let index = 0; index < 1_000_000; index += 1) {
      all.push(`s${index}.state`);
      if (index % 2 === 1) odd.push(`s${index}.state`);
    }
    const start = performance.now();
    const even = all.without(odd);
    // About 0.3 s.
    expect(performance.now() - start).toBeLessThan(15_000);
    expect([even.size, even.at(1)]).toEqual([500_000, 's2.state']);
  });
});
