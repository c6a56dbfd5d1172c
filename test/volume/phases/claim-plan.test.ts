/** When an earlier listing is used again, and when the directory is listed again. */
import { describe, expect, test } from 'vitest';
import { assign, assignZip, type RosterEntry } from '../../../src/volume/phases/assignment.ts';
import { Ring } from '../../../src/volume/phases/ring.ts';
import type { Snapshot } from '../../../src/volume/operations.ts';
import { ClaimPlan } from '../../../src/volume/phases/claim-plan.ts';
import { tasks, worker } from './given.ts';

const LEASE = 10_000;
const MANY = 5000;

const ALONE = [worker('a', 4, 100)];
const PAIR = [worker('a', 4, 100), worker('b', 4, 100)];

const snapshotOf = (roster: readonly RosterEntry[], count: number): Snapshot => ({
  roster,
  tasks: Ring.of(tasks(count)),
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
    expect(take(plan)).toEqual(assignZip(PAIR, Ring.of(tasks(MANY))).get('a.boot'));
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
