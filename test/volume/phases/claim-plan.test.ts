/** When an earlier listing is good enough, and when the directory is listed again. */
import { describe, expect, test } from 'vitest';
import { assign, type RosterEntry } from '../../../src/volume/phases/assignment.ts';
import { Ring } from '../../../src/volume/phases/ring.ts';
import { assignZip } from '../../../src/volume/phases/zip.ts';
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

const supplyOf = (how: 'slices' | 'zip' = 'slices'): ClaimPlan =>
  new ClaimPlan('a.boot', LEASE, how, () => undefined);

/** The cycle of the first listing. */
const CYCLE = 7;

function take(supply: ClaimPlan, count = Number.POSITIVE_INFINITY, cycle = CYCLE): string[] {
  const names: string[] = [];
  while (names.length < count) {
    const name = supply.next(cycle);
    if (name === undefined) break;
    names.push(name);
  }
  return names;
}

describe('before the first listing', () => {
  test('there is nothing to go on with, and nothing to claim', () => {
    const supply = supplyOf();
    expect(supply.isSufficient(snapshotOf(PAIR, 0), 0, 0)).toBe(false);
    expect(supply.next(CYCLE)).toBeUndefined();
  });
});

describe('a listing', () => {
  test.each([
    ['of a few names', 1999, 0],
    ['of many', MANY, 0],
    ['of many, for who can use more than its slice holds', MANY, MANY],
  ])('%s is split as everybody splits it', (_what, count, wanted) => {
    const supply = supplyOf();
    supply.split(snapshotOf(PAIR, count), CYCLE, wanted, 0, 0);
    expect(take(supply)).toEqual(assign(PAIR, Ring.of(tasks(count)), CYCLE).get('a.boot'));
    expect(supply.next(CYCLE)).toBeUndefined();
  });

  test('gives nothing to who is not on its roster', () => {
    for (const count of [10, MANY]) {
      const supply = supplyOf();
      supply.split(snapshotOf([worker('b')], count), CYCLE, 1, 0, 0);
      expect(take(supply)).toEqual([]);
    }
  });

  test('of the original’s pairing is one name a cycle, and never gone on with', () => {
    const supply = supplyOf('zip');
    supply.split(snapshotOf(PAIR, MANY), CYCLE, 1, 0, 0);
    expect(take(supply)).toEqual(assignZip(PAIR, Ring.of(tasks(MANY))).get('a.boot'));
    expect(supply.isSufficient({ roster: PAIR, paused: false }, 1, 1)).toBe(false);
  });

  test('of the original’s pairing leaves out a flag that claims nothing, and says so once', () => {
    const left: RosterEntry = { session: '0-left', name: '0-left', concurrency: 1, capacity: 1 };
    const silent: string[] = [];
    const supply = new ClaimPlan('a.boot', LEASE, 'zip', (flag) => silent.push(flag));
    const taken = [0, 1, 2, 3, 4].map((later) => {
      supply.split(snapshotOf([left, ...ALONE], 1), CYCLE + later, 1, 0, 0);
      return take(supply, 1, CYCLE + later).length;
    });
    expect(taken).toEqual([0, 0, 1, 1, 1]);
    expect(silent).toEqual(['0-left']);
  });

  test('is for its cycle, and for no other', () => {
    for (const count of [10, MANY]) {
      const supply = supplyOf();
      supply.split(snapshotOf(ALONE, count), CYCLE, 1, 0, 0);
      expect(supply.next(CYCLE + 1)).toBeUndefined();
      expect(supply.next(CYCLE)).toBeDefined();
    }
  });

  test('ends when there is to be nothing more', () => {
    for (const count of [10, MANY]) {
      const supply = supplyOf();
      supply.split(snapshotOf(ALONE, count), CYCLE, 1, 0, 0);
      supply.end({ roster: ALONE, paused: false }, CYCLE);
      expect(supply.next(CYCLE)).toBeUndefined();
    }
  });
});

describe('an earlier listing lasts', () => {
  const glance = { roster: PAIR, paused: false };
  const listed = (count = MANY, took = 0): ClaimPlan => {
    const supply = supplyOf();
    supply.split(snapshotOf(PAIR, count), CYCLE, 1, took, 0);
    return supply;
  };

  test('as long as the slice holds what the worker can use', () => {
    const supply = listed();
    const mine = take(supply).length;
    const left = [...Array(MANY + 1).keys()].findLast((wanted) =>
      supply.isSufficient(glance, wanted, 1),
    )!;
    expect(Math.abs(left - (MANY / 2 - mine))).toBeLessThan(200);
    expect(supply.isSufficient(glance, left + 1, 1)).toBe(false);
  });

  test('for who can use nothing, while it holds anything', () => {
    const supply = listed();
    for (let cycle = 8; supply.isSufficient(glance, 0, 1); cycle += 1) {
      supply.reuse(glance, cycle);
      expect(take(supply, MANY, cycle).length).toBeGreaterThan(0);
    }
    expect(supply.isSufficient(glance, 0, 1)).toBe(false);
  });

  test.each([
    ['a lease', 0, LEASE],
    ['longer, where listing takes long: a twentieth of the time at most', 2000, 40_000],
  ])('for %s', (_what, took, end) => {
    const supply = listed(MANY, took);
    expect(supply.isSufficient(glance, 1, end - 1)).toBe(true);
    expect(supply.isSufficient(glance, 1, end)).toBe(false);
  });

  test('not at all if it has but a few names', () => {
    expect(listed(1999).isSufficient(glance, 0, 1)).toBe(false);
    expect(listed(2000).isSufficient(glance, 0, 1)).toBe(true);
  });

  test('not beyond a listing that is too short for what is wanted', () => {
    const supply = supplyOf();
    supply.split(snapshotOf(PAIR, MANY), CYCLE, MANY, 0, 0);
    expect(supply.isSufficient(glance, 0, 1)).toBe(false);
  });

  test('with its names going to each cycle once, in another order than those before', () => {
    const supply = listed();
    const given = take(supply, 30);
    for (let cycle = 8; cycle < 20; cycle += 1) {
      supply.reuse(glance, cycle);
      given.push(...take(supply, 30, cycle));
    }
    expect(given).toHaveLength(13 * 30);
    expect(new Set(given).size).toBe(given.length);
    const others = supplyOf();
    const theirs = new ClaimPlan('b.boot', LEASE, 'slices', () => undefined);
    for (const one of [others, theirs]) one.split(snapshotOf(PAIR, MANY), CYCLE, 1, 0, 0);
    const foreign = new Set<string>();
    for (let cycle = 8; theirs.isSufficient(glance, 1, 1); cycle += 1) {
      theirs.reuse(glance, cycle);
      for (const name of take(theirs, MANY, cycle)) foreign.add(name);
    }
    expect(given.filter((name) => foreign.has(name))).toEqual([]);
  });

  test('for the roster of the day: who is alone now goes on with everything', () => {
    const supply = listed();
    take(supply);
    expect(supply.isSufficient(glance, MANY * 0.75, 1)).toBe(false);
    expect(supply.isSufficient({ roster: ALONE, paused: false }, MANY * 0.75, 1)).toBe(true);
  });
});

describe('what has just arrived', () => {
  const glance = { roster: PAIR, paused: false };
  const pairOf = (how: 'slices' | 'zip' = 'slices'): ClaimPlan[] =>
    ['a.boot', 'b.boot'].map((session) => {
      const supply = new ClaimPlan(session, LEASE, how, () => undefined);
      supply.end(glance, CYCLE);
      return supply;
    });

  test('is offered to one of all workers, and goes to it first, once, in any cycle', () => {
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
    const listed = supplyOf();
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
    ['a successor: who publishes it follows it', 'x.state-1', 'slices'],
    ['what is no state file', '.x.state', 'slices'],
    ['anything where states are paired', 'x.state', 'zip'],
  ] as const)('is not offered: %s', (_what, name, how) => {
    expect(pairOf(how).map((supply) => supply.addArrival(name))).toEqual([false, false]);
    expect(pairOf(how).map((supply) => supply.hasOffers)).toEqual([false, false]);
  });

  test('belongs to nobody before there is a roster', () => {
    expect(supplyOf().addArrival('x.state')).toBe(false);
  });
});
