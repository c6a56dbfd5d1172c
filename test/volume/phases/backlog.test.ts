/** A listing that serves many cycles: a worker takes from it what the split would give it. */
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { assign, SlicePartition, type RosterEntry } from '../../../src/volume/phases/assignment.ts';
import { Backlog } from '../../../src/volume/phases/backlog.ts';
import { hash } from '../../../src/volume/phases/hash.ts';
import { Names } from '../../../src/volume/phases/names.ts';
import { Ring, type RingEntry } from '../../../src/volume/phases/ring.ts';
import { cycles, mixedLists, rosters, shuffled, task, taskLists, tasks, worker } from './given.ts';

const ownerOf = (roster: readonly RosterEntry[], { instance }: RingEntry): string | undefined => {
  const cut = new SlicePartition(roster);
  return cut.sessions[cut.ownerOf(hash(instance))];
};
const isPlain = ({ refusedBy = [] }: RingEntry): boolean => refusedBy.length === 0;
const sliceOf = (
  roster: readonly RosterEntry[],
  list: readonly RingEntry[],
  session: string,
): string[] =>
  list
    .filter((one) => isPlain(one) && ownerOf(roster, one) === session)
    .map(({ name }) => name)
    .sort();

const take = (names: Iterator<string, void>, count: number): string[] => {
  const taken: string[] = [];
  while (taken.length < count) {
    const next = names.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
};

describe('the share of a cycle', () => {
  test('is what the split gives from the same ring, while the slice holds the quota', () => {
    let compared = 0;
    const seven = fc.array(cycles, { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(rosters, mixedLists, seven, (roster, list, inTurn) => {
        const { session } = roster[0]!;
        const ring = Ring.of(list);
        const backlog = new Backlog(ring, session);
        for (const cycle of inTurn) {
          const split = assign(roster, ring, cycle).get(session)!;
          const inSlice = backlog.remaining(roster);
          const mine = [...backlog.share(roster, cycle)];
          const refused = split.filter((name) => ring.refusedBy(name).length > 0).length;
          if (split.length - refused <= inSlice) {
            compared += Number(split.length > 0);
            expect(mine).toEqual(split);
          } else {
            // It does not know the overflow of others: up to there it is the same.
            expect(mine).toEqual(split.slice(0, refused + inSlice));
          }
        }
      }),
    );
    expect(compared).toBeGreaterThan(50);
  });

  test('holds each name once, however many of it are taken, and never one of another slice', () => {
    const rounds = fc.array(fc.tuple(cycles, fc.nat({ max: 20 })), { maxLength: 12 });
    fc.assert(
      fc.property(rosters, mixedLists, rounds, (roster, list, inTurn) => {
        const { session } = roster[0]!;
        const backlog = new Backlog(Ring.of(list), session);
        const plain = new Set(list.filter(isPlain).map(({ name }) => name));
        const slice = sliceOf(roster, list, session);
        const given: string[] = [];
        for (const [cycle, count] of inTurn) {
          given.push(
            ...take(backlog.share(roster, cycle), count).filter((name) => plain.has(name)),
          );
          expect(backlog.remaining(roster)).toBe(slice.length - given.length);
        }
        expect(new Set(given).size).toBe(given.length);
        expect(given.filter((name) => !slice.includes(name))).toEqual([]);
      }),
    );
  });

  test('of all workers together, each from its own listing, is every name once', () => {
    const inputs = fc
      .tuple(rosters, taskLists)
      .chain(([roster, list]) =>
        fc.tuple(fc.constant(roster), fc.tuple(...roster.map(() => shuffled(list)))),
      );
    fc.assert(
      fc.property(inputs, cycles, ([roster, lists], first) => {
        const all = roster.flatMap(({ session }, index) => {
          const backlog = new Backlog(Ring.of(lists[index]!), session);
          const mine: string[] = [];
          for (let cycle = first; backlog.remaining(roster) > 0; cycle += 1) {
            mine.push(...backlog.share(roster, cycle));
          }
          return mine;
        });
        expect(all.sort()).toEqual(lists[0]!.map(({ name }) => name).sort());
      }),
      { numRuns: 50 },
    );
  });

  test('begins with the states that others refused, as the split deals them', () => {
    const roster = [worker('a'), worker('b')];
    const list = [...tasks(20), task('odd', ['a.boot']), task('even', ['b.boot'])];
    const share = [...new Backlog(Ring.of(list), 'b.boot').share(roster, 3)];
    expect(share[0]).toBe('odd.state');
    expect(share).not.toContain('even.state');
    expect(share).toHaveLength(11);
  });

  test('is empty for a session that is not on the roster', () => {
    const backlog = new Backlog(Ring.of(tasks(20)), 'c.boot');
    expect([...backlog.share([worker('a'), worker('b')], 3)]).toEqual([]);
    expect([...backlog.share([], 3)]).toEqual([]);
    expect(backlog.remaining([worker('a')])).toBe(0);
  });
});

describe('a changed roster', () => {
  test('means other slices; names are not given again', () => {
    const rounds = fc.array(fc.tuple(rosters, cycles, fc.nat({ max: 20 })), { maxLength: 8 });
    fc.assert(
      fc.property(mixedLists, rounds, (list, inTurn) => {
        const backlog = new Backlog(Ring.of(list), 'a');
        const given = new Set<string>();
        for (const [roster, cycle, count] of inTurn) {
          const left = sliceOf(roster, list, 'a').filter((name) => !given.has(name));
          expect(backlog.remaining(roster)).toBe(left.length);
          for (const name of take(backlog.share(roster, cycle), count)) {
            if (!left.includes(name)) continue;
            expect(given.has(name)).toBe(false);
            given.add(name);
          }
          const fresh = left.filter((name) => !given.has(name));
          expect(backlog.remaining(roster)).toBe(fresh.length);
        }
      }),
    );
  });

  test('includes a changed concurrency', () => {
    const backlog = new Backlog(Ring.of(tasks(1000)), 'a.boot');
    const half = backlog.remaining([worker('a', 1), worker('b', 1)]);
    expect(backlog.remaining([worker('a', 9), worker('b', 1)])).toBeGreaterThan(half * 1.5);
  });
});

describe('the whole ring is read', () => {
  test('once for a roster, in whatever order it is listed, and in no cycle', () => {
    const roster = [worker('a'), worker('b')];
    const ring = Ring.of(tasks(100));
    const rounds = vi.spyOn(ring, 'from');
    const backlog = new Backlog(ring, 'a.boot');
    backlog.remaining(roster);
    backlog.remaining(roster.toReversed());
    expect(rounds).toHaveBeenCalledTimes(1);
    take(backlog.share(roster.toReversed(), 1), 5);
    expect(rounds).toHaveBeenCalledTimes(1);
  });

  test('no more when the slice is used up', () => {
    const ring = Ring.of(tasks(10));
    const backlog = new Backlog(ring, 'a.boot');
    expect([...backlog.share([worker('a')], 1)]).toHaveLength(10);
    const rounds = vi.spyOn(ring, 'from');
    expect([...backlog.share([worker('a')], 2)]).toEqual([]);
    expect(rounds).not.toHaveBeenCalled();
  });
});

test('a million names serve a hundred cycles without being split anew in each', () => {
  const names = Array.from({ length: 1_000_000 }, (_, index) => `s${index}.state`);
  const roster = [worker('a', 4, 1024), worker('b', 4, 1024)];
  const places = Uint32Array.from(names, (_, index) => hash(`s${index}`));
  const backlog = new Backlog(Ring.from(Names.of(names), places), 'a.boot');
  const start = performance.now();
  const all = backlog.remaining(roster);
  const given = new Set<string>();
  for (let cycle = 0; cycle < 100; cycle += 1) {
    for (const name of backlog.share(roster, cycle)) given.add(name);
  }
  // About 0.3 s; a new split in each cycle would take a minute.
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(given.size).toBe(100 * 1024);
  expect(backlog.remaining(roster)).toBe(all - given.size);
});
