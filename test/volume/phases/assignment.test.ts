import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  assign as assignRing,
  assignZip as zipRing,
  type RosterEntry,
} from '../../../src/volume/phases/assignment.ts';
import { compareCodePoints } from '../../../src/machine/name.ts';
import { Ring, type RingEntry } from '../../../src/volume/phases/ring.ts';
import {
  cycles,
  mixedLists,
  rosters,
  sessions,
  shuffled,
  task,
  taskLists,
  tasks,
  worker,
} from './given.ts';

const assign = (roster: RosterEntry[], list: RingEntry[], cycle: number): Map<string, string[]> =>
  assignRing(roster, Ring.of(list), cycle);
const assignZip = (
  roster: RosterEntry[],
  list: RingEntry[],
  cycle = 0,
  woken: readonly string[] = [],
): Map<string, string[]> => zipRing(roster, Ring.of(list), new Set(woken), cycle);

const shares = (split: Map<string, string[]>): number[] =>
  [...split.values()].map((given) => given.length);

describe.each([
  ['slices', assign],
  ['zip', assignZip],
])('I5, %s: the same snapshot gives the same split', (_name, split) => {
  test('does not depend on the order of the input', () => {
    const flags = fc.uniqueArray(fc.tuple(sessions, fc.string(), fc.integer({ min: 1, max: 9 })), {
      selector: ([, name]) => name,
      maxLength: 8,
    });
    const inputs = fc.tuple(flags, mixedLists).chain(([flagged, list]) => {
      // A session's flag copied under another name is still one worker.
      const roster = flagged.map(([session, name, size]): RosterEntry => ({
        session,
        name,
        concurrency: size,
        capacity: size,
      }));
      return fc.tuple(fc.constant(roster), shuffled(roster), fc.constant(list), shuffled(list));
    });
    fc.assert(
      fc.property(inputs, cycles, ([roster, otherRoster, list, otherList], cycle) => {
        expect([...split(otherRoster, otherList, cycle)]).toEqual([...split(roster, list, cycle)]);
      }),
    );
  });

  test('no state goes to two workers, and none is made up', () => {
    fc.assert(
      fc.property(rosters, mixedLists, cycles, (roster, list, cycle) => {
        const given = [...split(roster, list, cycle).values()].flat();
        expect(new Set(given).size).toBe(given.length);
        expect(given.every((name) => list.some((one) => one.name === name))).toBe(true);
      }),
    );
  });

  test('no worker gets more than its capacity, nor a state that it refused while another has not', () => {
    fc.assert(
      fc.property(rosters, mixedLists, cycles, (roster, list, cycle) => {
        const result = split(roster, list, cycle);
        for (const { session, capacity } of roster) {
          const mine = result.get(session)!;
          expect(mine.length).toBeLessThanOrEqual(capacity);
          for (const name of mine) {
            const { refusedBy = [] } = list.find((one) => one.name === name)!;
            const isHopeless = roster.every((entry) => refusedBy.includes(entry.session));
            expect(isHopeless || !refusedBy.includes(session)).toBe(true);
          }
        }
      }),
    );
  });

  test('I7: a worker with room gets a state, as long as it has not refused all that are left', () => {
    fc.assert(
      fc.property(rosters, mixedLists, cycles, (roster, list, cycle) => {
        const result = split(roster, list, cycle);
        const given = new Set([...result.values()].flat());
        const left = list.filter(({ name }) => !given.has(name));
        const most = split === assignZip ? () => 1 : (entry: RosterEntry) => entry.capacity;
        for (const entry of roster) {
          if (result.get(entry.session)!.length >= most(entry)) continue;
          expect(left.filter(({ refusedBy }) => !refusedBy?.includes(entry.session))).toEqual([]);
        }
      }),
    );
  });
});

describe('I5: same roster, disjoint slices', () => {
  test('two workers take disjoint states from a long backlog though one listing is stale', () => {
    const roster = [worker('a', 1, 10), worker('b', 1, 10)];
    const full = tasks(200);
    const stale = full.slice(50);
    const [mine, theirs] = [
      assign(roster, full, 7).get('a.boot')!,
      assign(roster, stale, 7).get('b.boot')!,
    ];
    expect(mine.filter((name) => theirs.includes(name))).toEqual([]);
  });

  test('a slice is as wide as its worker’s concurrency: there is little overflow', () => {
    // Nearly all of the heavy worker's quota lies in its own slice, in this cycle and the next.
    const roster = [worker('heavy', 7), worker('light', 1)];
    const [one, other] = [3, 4].map((cycle) =>
      assign(roster, tasks(800), cycle).get('light.boot')!.toSorted(),
    );
    const kept = one!.filter((name) => other!.includes(name)).length;
    expect(kept).toBeGreaterThan(70);
  });

  test('the roster salts the slices: a worker does not have the same names for ever', () => {
    const withB = assign([worker('a'), worker('b')], tasks(200), 0).get('a.boot')!;
    const withC = assign([worker('a'), worker('c')], tasks(200), 0).get('a.boot')!;
    const kept = withB.filter((name) => withC.includes(name)).length;
    expect(kept).toBeGreaterThan(20);
    expect(kept).toBeLessThan(80);
  });
});

describe('all states are assigned, fairly', () => {
  test('all of them, up to the capacity of all workers', () => {
    fc.assert(
      fc.property(rosters, taskLists, cycles, (roster, list, cycle) => {
        const capacity = roster.reduce((sum, entry) => sum + entry.capacity, 0);
        const given = [...assign(roster, list, cycle).values()].flat();
        expect(given.length).toBe(Math.min(list.length, capacity));
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

  test('every share is less than one off the exact one: in proportion to concurrency, up to capacity', () => {
    fc.assert(
      fc.property(rosters, taskLists, cycles, (roster, list, cycle) => {
        const split = assign(roster, list, cycle);
        const exact = exactShares(roster, list.length);
        for (const [index, { session }] of roster.entries()) {
          expect(Math.abs(split.get(session)!.length - exact[index]!)).toBeLessThan(1 + 1e-9);
        }
      }),
    );
  });

  test('over the cycles, mean shares are exact, even below one state each', () => {
    const roster = [worker('a', 1), worker('b', 2), worker('c', 7)];
    const sums = [0, 0, 0];
    for (let cycle = 5000; cycle < 6000; cycle += 1) {
      for (const [index, count] of shares(assign(roster, tasks(1), cycle)).entries()) {
        sums[index]! += count;
      }
    }
    for (const [index, exact] of [100, 200, 700].entries()) {
      expect(Math.abs(sums[index]! - exact)).toBeLessThan(10);
    }
  });

  test('a single state goes to each of equal workers in turn: none is left out for long', () => {
    const roster = ['a', 'b', 'c', 'd'].map((name) => worker(name, 8));
    const winners = Array.from({ length: 100 }, (_, cycle) =>
      shares(assign(roster, tasks(1), cycle)).indexOf(1),
    );
    for (let start = 0; start + 8 <= winners.length; start += 1) {
      expect(new Set(winners.slice(start, start + 8)).size).toBe(4);
    }
  });

  test('what a full worker cannot take is shared in proportion too', () => {
    const roster = [worker('a', 8, 2), worker('b', 1), worker('c', 3)];
    expect(shares(assign(roster, tasks(50), 0))).toEqual([2, 12, 36]);
  });

  test('what a full worker cannot take goes to the others', () => {
    const split = assign([worker('small', 1, 2), worker('large', 1, 100)], tasks(50), 0);
    expect([split.get('small.boot')!.length, split.get('large.boot')!.length]).toEqual([2, 48]);
  });

  test('no name is always last', () => {
    const last = Array.from({ length: 50 }, (_, cycle) =>
      assign([worker('a')], tasks(10), cycle)
        .get('a.boot')!
        .at(-1),
    );
    expect(new Set(last).size).toBeGreaterThan(3);
  });

  test('the slices stay the same while the roster does', () => {
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

/** A model of the quotas: the water level at which all vessels together hold `total`. */
function exactShares(roster: readonly RosterEntry[], total: number): number[] {
  const at = (level: number): number[] =>
    roster.map(({ concurrency, capacity }) => Math.min(capacity, level * concurrency));
  let [low, high] = [0, 100];
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (at(middle).reduce((sum, share) => sum + share, 0) < total) low = middle;
    else high = middle;
  }
  return at(high);
}

describe('states that some workers cannot run', () => {
  const roster = [worker('a'), worker('b'), worker('c')];

  test('go to those that have not refused them', () => {
    for (let cycle = 0; cycle < 20; cycle += 1) {
      const split = assign(roster, [task('x', ['a.boot', 'c.boot'])], cycle);
      expect(split.get('b.boot')).toEqual(['x.state']);
    }
  });

  test('go to any worker when all have refused: one must fail them', () => {
    const split = assign(roster, [task('x', ['a.boot', 'b.boot', 'c.boot'])], 5);
    expect([...split.values()].flat()).toEqual(['x.state']);
  });

  const refused = (count: number): RingEntry[] =>
    tasks(count).map(({ instance }) => task(instance, ['a.boot']));

  test('exceed the quotas of the able workers: no other could take them', () => {
    expect(shares(assign([worker('a'), worker('b')], refused(10), 0))).toEqual([0, 10]);
  });

  test('count towards the quota: the unable workers get more of the other states', () => {
    const plain = Array.from({ length: 10 }, (_, index) => task(`plain${index}`));
    expect(shares(assign([worker('a'), worker('b')], [...refused(10), ...plain], 0))).toEqual([
      10, 10,
    ]);
  });

  test('are spread among the able workers', () => {
    const [unable, ...able] = shares(assign(roster, refused(31), 0));
    expect(unable).toBe(0);
    for (const count of able) expect(Math.abs(count - 15.5)).toBeLessThanOrEqual(1);
  });

  test('wait while the able workers are full, without holding up other states', () => {
    const list = [...refused(10), task('y1', ['b.boot']), task('y2', ['b.boot'])];
    for (let cycle = 0; cycle < 20; cycle += 1) {
      const split = assign([worker('a', 1, 5), worker('b', 1, 2)], list, cycle);
      expect(shares(split)).toEqual([2, 2]);
    }
  });
});

test('dealing does not always begin with the same worker', () => {
  const roster = ['a', 'b', 'c', 'd'].map((name) => worker(name));
  const list = [task('x', ['a.boot']), ...tasks(3)];
  const takers = Array.from(
    { length: 30 },
    (_, cycle) =>
      [...assign(roster, list, cycle)].find(([, given]) => given.includes('x.state'))?.[0],
  );
  expect(new Set(takers)).toEqual(new Set(['b.boot', 'c.boot', 'd.boot']));
});

test('a hundred thousand states among 64 workers are split in a fraction of a second', () => {
  const roster = Array.from({ length: 64 }, (_, index) =>
    worker(`w${index}`, 1 + (index % 4), 1e6),
  );
  const list = tasks(100_000);
  const start = performance.now();
  expect(shares(assign(roster, list, 1)).reduce((sum, count) => sum + count)).toBe(100_000);
  // About 0.15 s; quadratic time in either would be minutes.
  expect(performance.now() - start).toBeLessThan(3000);
});

describe('edges', () => {
  test('no worker, no split', () => expect(assign([], tasks(3), 0).size).toBe(0));
  test('no task, empty hands', () => expect(shares(assign([worker('a')], [], 0))).toEqual([0]));
  test('I7: what waits for events comes after all else, each of it first in turn', () => {
    const list = [task('a'), task('b'), task('c')];
    const given = (cycle: number, woken: string[]): (string | undefined)[] => {
      const split = assignZip([worker('w1'), worker('w2')], list, cycle, woken);
      return ['w1.boot', 'w2.boot'].map((session) => split.get(session)![0]);
    };
    expect(given(0, ['a.state', 'b.state'])).toEqual(['c.state', 'a.state']);
    expect(given(1, ['a.state', 'b.state'])).toEqual(['c.state', 'b.state']);
    expect(given(2, ['a.state', 'b.state'])).toEqual(['c.state', 'a.state']);
    expect(given(1, [])).toEqual(['a.state', 'b.state']);
  });

  test('one session twice is one worker', () => {
    const copy = { ...worker('a'), name: 'z' };
    expect(shares(assign([worker('a'), worker('m'), copy], tasks(4), 0))).toEqual([2, 2]);
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

  test('workers are sorted by their names, not by their sessions', () => {
    const split = assignZip([worker('a-b'), worker('a')], [task('x')]);
    expect(split.get('a.boot')).toEqual(['x.state']);
  });

  test('I7: a state its first worker refused goes to the next, and the first gets another', () => {
    const list = [task('x', ['a.boot']), task('y')];
    const split = assignZip([worker('a'), worker('b')], list);
    expect(Object.fromEntries(split)).toEqual({ 'a.boot': ['y.state'], 'b.boot': ['x.state'] });
  });

  test('a state that all have refused goes to the first: one must fail it', () => {
    const split = assignZip([worker('a'), worker('b')], [task('x', ['a.boot', 'b.boot'])]);
    expect(shares(split)).toEqual([1, 0]);
  });

  test('one session twice is one worker', () => {
    expect(shares(assignZip([worker('a'), worker('a')], tasks(3)))).toEqual([1]);
  });

  test('with fewer states than workers the last workers get none', () => {
    expect(shares(assignZip([worker('a'), worker('b')], [task('x')]))).toEqual([1, 0]);
  });
});
