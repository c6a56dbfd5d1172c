/** How many ticks a worker will begin soon, from its finished and running ticks, and how many claims it makes and keeps. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ThroughputEstimator,
  prefetchTarget,
  unstartedToKeep,
} from '../../../src/volume/phases/prefetch.ts';

const MEMORY = 1000;

function finish(estimator: ThroughputEstimator, count: number, duration = 0): void {
  for (let left = count; left > 0; left -= 1) estimator.finished(duration);
}

/** Busy from 0 on; finishes a tick every `interval` ms until `end`. */
function steady(interval: number, end: number): ThroughputEstimator {
  const estimator = new ThroughputEstimator(MEMORY);
  estimator.work(true, 0);
  for (let now = interval; now <= end; now += interval) {
    finish(estimator, 1);
    estimator.rate(now);
  }
  return estimator;
}

describe('the rate', () => {
  test('is 0 before the first tick is finished', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    expect(500 * estimator.rate(100)).toBe(0);
    estimator.work(true, 100);
    expect(500 * estimator.rate(90_000)).toBe(0);
  });

  test('is the number of finished ticks, divided by their time', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    finish(estimator, 3);
    expect(100 * estimator.rate(600)).toBeCloseTo(0.5);
    expect(1000 * estimator.rate(600)).toBeCloseTo(5);
  });

  test('is finite after a first tick of no duration', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 5);
    finish(estimator, 1);
    expect(500 * estimator.rate(5)).toBe(500);
  });

  test('does not count time without states', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    finish(estimator, 4);
    estimator.work(false, 400);
    expect(100 * estimator.rate(90_000)).toBeCloseTo(1);
    estimator.work(true, 90_000);
    expect(100 * estimator.rate(90_400)).toBeCloseTo(0.5);
  });

  test('counts time once, though it is told twice that there are states', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    estimator.work(true, 200);
    finish(estimator, 1);
    expect(400 * estimator.rate(400)).toBeCloseTo(1);
  });

  test('of steady work is steady, from the first tick on', () => {
    const inputs = [fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 200 })] as const;
    fc.assert(
      fc.property(...inputs, (interval, count) => {
        const estimator = steady(interval, interval * count);
        expect(interval * estimator.rate(interval * count)).toBeCloseTo(1, 6);
      }),
    );
  });

  test.each([
    ['faster', 200, 10],
    ['slower', 10, 200],
  ])('follows when ticks become %s, within a few times its memory', (_how, before, after) => {
    const estimator = steady(before, 10_000);
    for (let now = 10_000 + after; now <= 10_000 + 4 * MEMORY; now += after) {
      finish(estimator, 1);
      estimator.rate(now);
    }
    const exact = MEMORY / after;
    const told = MEMORY * estimator.rate(10_000 + 4 * MEMORY);
    expect(Math.abs(told - exact) / exact).toBeLessThan(0.5);
  });

  test('falls by half and half again while nothing is finished', () => {
    const estimator = steady(10, 5000);
    const at = (now: number): number => MEMORY * estimator.rate(now);
    expect(at(5000)).toBeCloseTo(100, 0);
    const later = [5000 + MEMORY, 5000 + 2 * MEMORY, 5000 + 4 * MEMORY].map(at);
    expect(later[0]).toBeLessThan(60);
    expect(later[1]).toBeLessThan(30);
    expect(later[2]).toBeLessThan(10);
  });

  test('forgets one long tick as soon as a short one', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    finish(estimator, 1);
    estimator.rate(600_000);
    finish(estimator, 100);
    expect(MEMORY * estimator.rate(600_000 + MEMORY)).toBeGreaterThan(50);
  });

  test('of one tick much longer than its memory is that of the tick', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    finish(estimator, 1);
    expect(600_000 * estimator.rate(600_000)).toBeCloseTo(1, 6);
  });
});

const CYCLE = 500;

/** An estimator after ticks of these durations only. */
function finished(...durations: number[]): ThroughputEstimator {
  const estimator = new ThroughputEstimator(MEMORY);
  for (const duration of durations) estimator.finished(duration);
  return estimator;
}

const several = (count: number, duration: number): number[] =>
  Array.from({ length: count }, () => duration);

describe('the forecast', () => {
  test('is 0 before the first tick is finished', () => {
    const slots = { ages: [400, 100], idle: 2 };
    expect(finished().forecast(slots, CYCLE, 1000)).toEqual({ mean: 0, deviation: 0 });
  });

  test('of long ticks that ended together is 0, though two in a second look like a rate', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    finish(estimator, 2, 30_000);
    const { mean } = estimator.forecast({ ages: [10, 10], idle: 0 }, CYCLE, 30_000);
    expect(mean).toBeLessThan(0.1);
  });

  test.each([
    ['is old enough to end', 1700, 1],
    ['has just begun', 100, 0],
    ['is older than all samples', 60_000, 0],
  ])('of equal ticks counts one that %s', (_what, age, expected) => {
    const estimator = finished(...several(20, 2000));
    const { mean, deviation } = estimator.forecast({ ages: [age], idle: 0 }, CYCLE, 0);
    expect(Math.round(mean)).toBe(expected);
    expect(deviation).toBeLessThan(0.25);
  });

  test('of short ticks counts all that each slot begins one after the other', () => {
    const estimator = finished(...several(64, 50));
    const { mean } = estimator.forecast({ ages: [10, 30], idle: 2 }, CYCLE, 0);
    expect(mean).toBeGreaterThan(4 * 9 - 2);
    expect(mean).toBeLessThanOrEqual(4 * 10);
  });

  test('of ticks of no duration is limited by the rate', () => {
    const estimator = new ThroughputEstimator(MEMORY);
    estimator.work(true, 0);
    finish(estimator, 100, 0);
    const { mean } = estimator.forecast({ ages: [], idle: 4 }, CYCLE, 500);
    expect(mean).toBeGreaterThan(90);
    expect(mean).toBeLessThanOrEqual(100);
  });

  test('of short ticks falls when the running ones become long', () => {
    const estimator = finished(...several(64, 20));
    const at = (age: number): number => estimator.forecast({ ages: [age], idle: 0 }, CYCLE, 0).mean;
    expect(at(0)).toBeGreaterThan(20);
    expect(at(20_000)).toBeLessThan(1);
  });

  test('of mixed ticks does not count slots that a long one may take', () => {
    const estimator = finished(...several(32, 10), ...several(32, 20_000));
    const { mean, deviation } = estimator.forecast({ ages: [5], idle: 0 }, CYCLE, 0);
    expect(mean).toBeLessThan(1.5);
    expect(deviation).toBeGreaterThan(0.5);
  });

  test('uses the latest ticks', () => {
    const estimator = finished(...several(200, 10), ...several(64, 5000));
    const { mean } = estimator.forecast({ ages: [100], idle: 0 }, CYCLE, 0);
    expect(mean).toBeLessThan(0.1);
  });

  test('is finite, and never negative', () => {
    const ms = fc.integer({ min: 0, max: 60_000 });
    fc.assert(
      fc.property(
        fc.array(ms, { minLength: 1, maxLength: 80 }),
        fc.array(ms, { maxLength: 8 }),
        fc.integer({ min: 0, max: 8 }),
        (durations, ages, idle) => {
          const estimator = finished(...durations);
          const within = (horizon: number) => estimator.forecast({ ages, idle }, horizon, 0);
          expect(within(CYCLE).mean).toBeGreaterThanOrEqual(0);
          expect(within(CYCLE).deviation).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(within(CYCLE).mean)).toBe(true);
        },
      ),
    );
  });
});

describe('the prefetch target', () => {
  test.each([
    [0, 0],
    [0.4, 0],
    [0.6, 1],
    [40.2, 40],
  ])('rounds the forecast of a cycle: %d to %d', (mean, expected) => {
    expect(prefetchTarget({ mean, deviation: 1 }, false)).toBe(expected);
  });

  test('is 0 if states are scarce', () => {
    expect(prefetchTarget({ mean: 40, deviation: 0 }, true)).toBe(0);
  });
});

describe('unstarted claims to keep', () => {
  test('are those that will very likely begin within a cycle, if states are scarce', () => {
    expect(unstartedToKeep({ mean: 4, deviation: 0 }, true)).toBe(4);
    expect(unstartedToKeep({ mean: 4, deviation: 1 }, true)).toBe(2);
    expect(unstartedToKeep({ mean: 1, deviation: 0.9 }, true)).toBe(0);
  });

  test('are twice the forecast otherwise, and none with long ticks', () => {
    expect(unstartedToKeep({ mean: 4, deviation: 3 }, false)).toBe(8);
    expect(unstartedToKeep({ mean: 0.3, deviation: 0.5 }, false)).toBe(0);
  });
});
