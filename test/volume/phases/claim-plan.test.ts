/** When an earlier listing is used again, and when the directory is listed again. */
import { describe, expect, test, vi } from 'vitest';
import {
  assign,
  assignZip,
  SlicePartition,
  type RosterEntry,
} from '../../../src/volume/phases/assignment.ts';
import { Ring, type RingEntry } from '../../../src/volume/phases/ring.ts';
import type { Snapshot } from '../../../src/volume/operations.ts';
import { ClaimPlan, Backlog } from '../../../src/volume/phases/claim-plan.ts';
import { tasks, worker, cycles, mixedLists, rosters, shuffled, task, taskLists } from './given.ts';
import fc from 'fast-check';
import { hash } from '../../../src/volume/phases/hash.ts';
import { Names } from '../../../src/volume/phases/names.ts';

const LEASE = 10_000;
const MANY = 5000;

const ALONE = [worker('a', 4, 100)];
const PAIR = [worker('a', 4, 100), worker('b', 4, 100)];

const snapshotOf = (roster: readonly RosterEntry[], count: number): Snapshot => ({
  roster,
  tasks: Ring.of(tasks(count)),
  woken: new Set(),
  paused: false,
  inProgress: 0,
  delayed: 0,
});

const planOf = (how: 'slices' | 'zip' = 'slices'): ClaimPlan =>
  new ClaimPlan('a.boot', LEASE, how, () => undefined);

/** The cycle of the first listing. */
const CYCLE = 7;

function take(plan: ClaimPlan, count = Number.POSITIVE_INFINITY, cycle = CYCLE): string[] {
  const names: string[] = [];
  while (names.length < count) {
    const name = plan.next(cycle);
    if (name === undefined) break;
    names.push(name);
  }
  return names;
}

describe('before the first listing', () => {
  test('there is no listing to use, and nothing to claim', () => {
    const plan = planOf();
    expect(plan.isSufficient(snapshotOf(PAIR, 0), 0, 0)).toBe(false);
    expect(plan.next(CYCLE)).toBeUndefined();
  });
});

describe('a listing', () => {
  test.each([
    ['of a few names', 1999, 0],
    ['of many', MANY, 0],
    ['of many, for a worker that can use more than its slice', MANY, MANY],
  ])('%s is split as all workers split it', (_what, count, wanted) => {
    const plan = planOf();
    plan.split(snapshotOf(PAIR, count), CYCLE, wanted, 0, 0);
    expect(take(plan)).toEqual(assign(PAIR, Ring.of(tasks(count)), CYCLE).get('a.boot'));
    expect(plan.next(CYCLE)).toBeUndefined();
  });

  test('gives nothing to a session that is not on its roster', () => {
    for (const count of [10, MANY]) {
      const plan = planOf();
      plan.split(snapshotOf([worker('b')], count), CYCLE, 1, 0, 0);
      expect(take(plan)).toEqual([]);
    }
  });

  test('of the original’s pairing is one name a cycle, and is never used again', () => {
    const plan = planOf('zip');
    plan.split(snapshotOf(PAIR, MANY), CYCLE, 1, 0, 0);
    expect(take(plan)).toEqual(
      assignZip(PAIR, Ring.of(tasks(MANY)), new Set(), CYCLE).get('a.boot'),
    );
    expect(plan.isSufficient({ roster: PAIR, paused: false }, 1, 1)).toBe(false);
  });

  test('of the original’s pairing leaves out a silent flag, and reports it once', () => {
    const left: RosterEntry = { session: '0-left', name: '0-left', concurrency: 1, capacity: 1 };
    const silent: string[] = [];
    const plan = new ClaimPlan('a.boot', LEASE, 'zip', (flag) => silent.push(flag));
    const taken = [0, 1, 2, 3, 4].map((later) => {
      plan.split(snapshotOf([left, ...ALONE], 1), CYCLE + later, 1, 0, 0);
      return take(plan, 1, CYCLE + later).length;
    });
    expect(taken).toEqual([0, 0, 1, 1, 1]);
    expect(silent).toEqual(['0-left']);
  });

  test('is for its cycle only', () => {
    for (const count of [10, MANY]) {
      const plan = planOf();
      plan.split(snapshotOf(ALONE, count), CYCLE, 1, 0, 0);
      expect(plan.next(CYCLE + 1)).toBeUndefined();
      expect(plan.next(CYCLE)).toBeDefined();
    }
  });

  test('gives nothing more after its end', () => {
    for (const count of [10, MANY]) {
      const plan = planOf();
      plan.split(snapshotOf(ALONE, count), CYCLE, 1, 0, 0);
      plan.end({ roster: ALONE, paused: false }, CYCLE);
      expect(plan.next(CYCLE)).toBeUndefined();
    }
  });
});

describe('an earlier listing is used', () => {
  const view = { roster: PAIR, paused: false };
  const listed = (count = MANY, took = 0): ClaimPlan => {
    const plan = planOf();
    plan.split(snapshotOf(PAIR, count), CYCLE, 1, took, 0);
    return plan;
  };

  test('as long as the slice holds what the worker can use', () => {
    const plan = listed();
    const mine = take(plan).length;
    const left = [...Array(MANY + 1).keys()].findLast((wanted) =>
      plan.isSufficient(view, wanted, 1),
    )!;
    expect(Math.abs(left - (MANY / 2 - mine))).toBeLessThan(200);
    expect(plan.isSufficient(view, left + 1, 1)).toBe(false);
  });

  test('by a worker without room, while it holds any name', () => {
    const plan = listed();
    for (let cycle = 8; plan.isSufficient(view, 0, 1); cycle += 1) {
      plan.reuse(view, cycle);
      expect(take(plan, MANY, cycle).length).toBeGreaterThan(0);
    }
    expect(plan.isSufficient(view, 0, 1)).toBe(false);
  });

  test.each([
    ['a lease', 0, LEASE],
    ['longer if listing is slow: it takes a twentieth of the time at most', 2000, 40_000],
  ])('for %s', (_what, took, end) => {
    const plan = listed(MANY, took);
    expect(plan.isSufficient(view, 1, end - 1)).toBe(true);
    expect(plan.isSufficient(view, 1, end)).toBe(false);
  });

  test('not at all if it has few names', () => {
    expect(listed(1999).isSufficient(view, 0, 1)).toBe(false);
    expect(listed(2000).isSufficient(view, 0, 1)).toBe(true);
  });

  test('not if it is too short for what is wanted', () => {
    const plan = planOf();
    plan.split(snapshotOf(PAIR, MANY), CYCLE, MANY, 0, 0);
    expect(plan.isSufficient(view, 0, 1)).toBe(false);
  });

  test('with each name once, beginning elsewhere in each cycle', () => {
    const plan = listed();
    const given = take(plan, 30);
    for (let cycle = 8; cycle < 20; cycle += 1) {
      plan.reuse(view, cycle);
      given.push(...take(plan, 30, cycle));
    }
    expect(given).toHaveLength(13 * 30);
    expect(new Set(given).size).toBe(given.length);
    const others = planOf();
    const theirs = new ClaimPlan('b.boot', LEASE, 'slices', () => undefined);
    for (const one of [others, theirs]) one.split(snapshotOf(PAIR, MANY), CYCLE, 1, 0, 0);
    const foreign = new Set<string>();
    for (let cycle = 8; theirs.isSufficient(view, 1, 1); cycle += 1) {
      theirs.reuse(view, cycle);
      for (const name of take(theirs, MANY, cycle)) foreign.add(name);
    }
    expect(given.filter((name) => foreign.has(name))).toEqual([]);
  });

  test('with the current roster: a worker that is alone now uses all of it', () => {
    const plan = listed();
    take(plan);
    expect(plan.isSufficient(view, MANY * 0.75, 1)).toBe(false);
    expect(plan.isSufficient({ roster: ALONE, paused: false }, MANY * 0.75, 1)).toBe(true);
  });
});

describe('a name that has just arrived', () => {
  const view = { roster: PAIR, paused: false };
  const pairOf = (how: 'slices' | 'zip' = 'slices'): ClaimPlan[] =>
    ['a.boot', 'b.boot'].map((session) => {
      const plan = new ClaimPlan(session, LEASE, how, () => undefined);
      plan.end(view, CYCLE);
      return plan;
    });

  test('is accepted by one worker, and is its next name, once, in any cycle', () => {
    const [a, b] = pairOf() as [ClaimPlan, ClaimPlan];
    for (const { name } of tasks(100)) {
      expect(b.addArrival(name)).toBe(!a.addArrival(name));
    }
    expect(a.hasOffers && b.hasOffers).toBe(true);
    const [mine, theirs] = [take(a, 200, CYCLE + 1), take(b, 200, CYCLE + 1)];
    expect([...mine, ...theirs].sort()).toEqual(
      tasks(100)
        .map(({ name }) => name)
        .sort(),
    );
    expect([a.hasOffers, a.next(CYCLE), b.hasOffers]).toEqual([false, undefined, false]);
  });

  test('is in the slice that the split gives it from', () => {
    const [a] = pairOf() as [ClaimPlan];
    const listed = planOf();
    listed.split(snapshotOf(PAIR, MANY), CYCLE, 1, 0, 0);
    expect(take(listed).filter((name) => !a.addArrival(name))).toEqual([]);
  });

  test('is left to the next split', () => {
    const [a] = pairOf() as [ClaimPlan];
    for (const { name } of tasks(20)) a.addArrival(name);
    a.forgetOffers();
    expect([a.hasOffers, a.next(CYCLE)]).toEqual([false, undefined]);
    for (const { name } of tasks(20)) a.addArrival(name);
    a.split(snapshotOf(PAIR, 0), CYCLE + 1, 1, 0, 0);
    expect([a.hasOffers, a.next(CYCLE + 1)]).toEqual([false, undefined]);
  });

  test.each([
    ['a successor: the session that publishes it claims it', 'x.state-1', 'slices'],
    ['a name that is not a state file’s', '.x.state', 'slices'],
    ['any name in the original’s pairing', 'x.state', 'zip'],
  ] as const)('is not offered: %s', (_what, name, how) => {
    expect(pairOf(how).map((plan) => plan.addArrival(name))).toEqual([false, false]);
    expect(pairOf(how).map((plan) => plan.hasOffers)).toEqual([false, false]);
  });

  test('belongs to no worker before there is a roster', () => {
    expect(planOf().addArrival('x.state')).toBe(false);
  });
});

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

const takeSome = (names: Iterator<string, void>, count: number): string[] => {
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
            ...takeSome(backlog.share(roster, cycle), count).filter((name) => plain.has(name)),
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
          for (const name of takeSome(backlog.share(roster, cycle), count)) {
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
    takeSome(backlog.share(roster.toReversed(), 1), 5);
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
