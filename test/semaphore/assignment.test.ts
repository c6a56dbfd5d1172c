import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign, type RosterEntry, type Task } from '../../src/semaphore/assignment.ts';
import { compareCodePoints } from '../../src/semaphore/order.ts';
import { assignZip } from '../../src/semaphore/zip.ts';

const worker = (name: string, concurrency = 1, capacity = 1000): RosterEntry => ({
  session: `${name}.boot`,
  name,
  concurrency,
  capacity,
});
const task = (instance: string, refusedBy?: string[]): Task => ({
  name: `${instance}.state`,
  instance,
  ...(refusedBy && { refusedBy }),
});
const tasks = (count: number): Task[] =>
  Array.from({ length: count }, (_, index) => task(`s${index}`));

const rosters: fc.Arbitrary<RosterEntry[]> = fc.uniqueArray(
  fc.record({
    session: fc.string({ minLength: 1, maxLength: 5 }),
    name: fc.string({ minLength: 1, maxLength: 5 }),
    concurrency: fc.integer({ min: 1, max: 20 }),
    capacity: fc.integer({ min: 1, max: 40 }),
  }),
  { selector: (entry) => entry.session, minLength: 1, maxLength: 8 },
);
const taskLists: fc.Arbitrary<Task[]> = fc.uniqueArray(
  fc.string({ minLength: 1, maxLength: 6 }).map((instance) => task(instance)),
  { selector: (one) => one.name, maxLength: 60 },
);
const cycles: fc.Arbitrary<number> = fc.integer({ min: 0, max: 2e9 });

const shares = (split: Map<string, string[]>): number[] =>
  [...split.values()].map((names) => names.length);

describe('I5: same snapshot, same split', () => {
  test('the order in which the input comes plays no part', () => {
    fc.assert(
      fc.property(rosters, taskLists, cycles, fc.integer(), (roster, list, cycle, seed) => {
        const shuffle = <T>(items: readonly T[]): T[] =>
          [...items].sort(
            (a, b) => Math.sin(seed + items.indexOf(a)) - Math.sin(seed + items.indexOf(b)),
          );
        const one = assign(roster, list, cycle);
        const other = assign(shuffle(roster), shuffle(list), cycle);
        expect(Object.fromEntries(other)).toEqual(Object.fromEntries(one));
      }),
    );
  });

  test('no state goes to two workers, and none is made up', () => {
    fc.assert(
      fc.property(rosters, taskLists, cycles, (roster, list, cycle) => {
        const given = [...assign(roster, list, cycle).values()].flat();
        expect(new Set(given).size).toBe(given.length);
        expect(given.every((name) => list.some((one) => one.name === name))).toBe(true);
      }),
    );
  });

  test('same roster, disjoint slices: what two workers take while there is plenty does not depend on who else’s listing is stale', () => {
    const roster = [worker('a', 1, 10), worker('b', 1, 10)];
    const full = tasks(200);
    const stale = full.slice(50);
    const [mine, theirs] = [
      assign(roster, full, 7).get('a.boot')!,
      assign(roster, stale, 7).get('b.boot')!,
    ];
    expect(mine.filter((name) => theirs.includes(name))).toEqual([]);
  });
});

describe('everything is given out, fairly', () => {
  test('all there is, up to what all together can hold', () => {
    fc.assert(
      fc.property(rosters, taskLists, cycles, (roster, list, cycle) => {
        const capacity = roster.reduce((sum, entry) => sum + entry.capacity, 0);
        const given = [...assign(roster, list, cycle).values()].flat();
        expect(given.length).toBe(Math.min(list.length, capacity));
      }),
    );
  });

  test('nobody gets more than its capacity', () => {
    fc.assert(
      fc.property(rosters, taskLists, cycles, (roster, list, cycle) => {
        const split = assign(roster, list, cycle);
        for (const { session, capacity } of roster) {
          expect(split.get(session)!.length).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });

  test('four workers and four states is one each, in every cycle', () => {
    const roster = ['a', 'b', 'c', 'd'].map((name) => worker(name, 8));
    for (let cycle = 0; cycle < 100; cycle += 1) {
      expect(shares(assign(roster, tasks(4), cycle))).toEqual([1, 1, 1, 1]);
    }
  });

  test('200 states among four equal workers is 50 each', () => {
    const roster = ['a', 'b', 'c', 'd'].map((name) => worker(name));
    expect(shares(assign(roster, tasks(200), 3))).toEqual([50, 50, 50, 50]);
  });

  test('shares follow concurrency, within one', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 0, max: 300 }),
        cycles,
        (weights, count, cycle) => {
          const roster = weights.map((weight, index) => worker(`w${index}`, weight));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const split = assign(roster, tasks(count), cycle);
          for (const [index, weight] of weights.entries()) {
            const fair = (count * weight) / total;
            expect(Math.abs(split.get(`w${index}.boot`)!.length - fair)).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  test('what a full worker cannot take goes to the others', () => {
    const split = assign([worker('small', 1, 2), worker('large', 1, 100)], tasks(50), 0);
    expect([split.get('small.boot')!.length, split.get('large.boot')!.length]).toEqual([2, 48]);
  });

  test('a single state does not always go to the same worker', () => {
    const roster = ['a', 'b', 'c'].map((name) => worker(name));
    const winners = new Set(
      Array.from(
        { length: 30 },
        (_, cycle) =>
          [...assign(roster, tasks(1), cycle)].find(([, names]) => names.length > 0)?.[0],
      ),
    );
    expect(winners.size).toBe(3);
  });

  test('no name is always last', () => {
    const last = Array.from({ length: 50 }, (_, cycle) =>
      assign([worker('a')], tasks(10), cycle)
        .get('a.boot')!
        .at(-1),
    );
    expect(new Set(last).size).toBeGreaterThan(3);
  });

  test('the cut stays put while the roster does', () => {
    const roster = ['a', 'b', 'c', 'd'].map((name) => worker(name));
    const list = tasks(400);
    const owner = (cycle: number): Map<string, string> =>
      new Map(
        [...assign(roster, list, cycle)].flatMap(([session, names]) =>
          names.map((name) => [name, session] as const),
        ),
      );
    const [first, second] = [owner(1), owner(2)];
    const kept = list.filter(({ name }) => first.get(name) === second.get(name)).length;
    expect(kept / list.length).toBeGreaterThan(0.8);
  });
});

describe('states that some workers cannot run', () => {
  const roster = [worker('a'), worker('b'), worker('c')];

  test('go to those that have not refused them', () => {
    for (let cycle = 0; cycle < 20; cycle += 1) {
      const split = assign(roster, [task('x', ['a.boot', 'c.boot'])], cycle);
      expect(split.get('b.boot')).toEqual(['x.state']);
    }
  });

  test('go to somebody when all have refused: somebody has to put them aside', () => {
    const split = assign(roster, [task('x', ['a.boot', 'b.boot', 'c.boot'])], 5);
    expect([...split.values()].flat()).toEqual(['x.state']);
  });
});

describe('edges', () => {
  test('no worker, no split', () => expect(assign([], tasks(3), 0).size).toBe(0));
  test('no task, empty hands', () => expect(shares(assign([worker('a')], [], 0))).toEqual([0]));
  test('one session twice is one worker', () => {
    expect(shares(assign([worker('a'), worker('a')], tasks(3), 0))).toEqual([3]);
  });
});

describe('zip, the original’s pairing', () => {
  test('sorted workers with sorted states, one each, first with first', () => {
    const split = assignZip([worker('w2'), worker('w1')], [task('c'), task('a'), task('b')]);
    expect(Object.fromEntries(split)).toEqual({ 'w1.boot': ['a.state'], 'w2.boot': ['b.state'] });
  });

  test('sorts as Python does, by code points', () => {
    expect(['\u{1F600}', '\uFFFD', 'z', 'a'].sort(compareCodePoints)).toEqual([
      'a',
      'z',
      '\uFFFD',
      '\u{1F600}',
    ]);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        const points = (text: string): number[] => [...text].map((one) => one.codePointAt(0)!);
        const [left, right] = [points(a), points(b)];
        const index = left.findIndex((point, place) => point !== right[place]);
        const expected =
          index === -1 || index >= right.length
            ? left.length - right.length
            : left[index]! - right[index]!;
        expect(Math.sign(compareCodePoints(a, b))).toBe(Math.sign(expected));
      }),
    );
  });

  test('with fewer states than workers the last workers get none', () => {
    expect(shares(assignZip([worker('a'), worker('b')], [task('x')]))).toEqual([1, 0]);
  });
});
