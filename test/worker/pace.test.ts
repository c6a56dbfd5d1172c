/** How fast a worker gets through states, told from what it has finished while it had something in hand. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pace } from '../../src/worker/pace.ts';

const MEMORY = 1000;

/** Busy from 0 on; finishes one every `interval` ms until `end`. */
function steady(interval: number, end: number): Pace {
  const pace = new Pace(MEMORY);
  pace.work(true, 0);
  for (let now = interval; now <= end; now += interval) {
    pace.finished(1);
    pace.in(1, now);
  }
  return pace;
}

describe('pace', () => {
  test('is nothing before the first is finished', () => {
    const pace = new Pace(MEMORY);
    expect(pace.in(500, 100)).toBe(0);
    pace.work(true, 100);
    expect(pace.in(500, 90_000)).toBe(0);
  });

  test('is what was finished, over the time it took', () => {
    const pace = new Pace(MEMORY);
    pace.work(true, 0);
    pace.finished(3);
    expect(pace.in(100, 600)).toBeCloseTo(0.5);
    expect(pace.in(1000, 600)).toBeCloseTo(5);
  });

  test('of a first finished in no time at all is finite', () => {
    const pace = new Pace(MEMORY);
    pace.work(true, 5);
    pace.finished(1);
    expect(pace.in(500, 5)).toBe(500);
  });

  test('does not count time with nothing in hand', () => {
    const pace = new Pace(MEMORY);
    pace.work(true, 0);
    pace.finished(4);
    pace.work(false, 400);
    expect(pace.in(100, 90_000)).toBeCloseTo(1);
    pace.work(true, 90_000);
    expect(pace.in(100, 90_400)).toBeCloseTo(0.5);
  });

  test('counts time once, though it hears twice that there is something to do', () => {
    const pace = new Pace(MEMORY);
    pace.work(true, 0);
    pace.work(true, 200);
    pace.finished(1);
    expect(pace.in(400, 400)).toBeCloseTo(1);
  });

  test('of steady work is that, from the first on, and however long it goes on', () => {
    const inputs = [fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 200 })] as const;
    fc.assert(
      fc.property(...inputs, (interval, count) => {
        const pace = steady(interval, interval * count);
        expect(pace.in(interval, interval * count)).toBeCloseTo(1, 6);
      }),
    );
  });

  test.each([
    ['faster', 200, 10],
    ['slower', 10, 200],
  ])('follows when ticks become %s, within a few times its memory', (_how, before, after) => {
    const pace = steady(before, 10_000);
    for (let now = 10_000 + after; now <= 10_000 + 4 * MEMORY; now += after) {
      pace.finished(1);
      pace.in(1, now);
    }
    const exact = MEMORY / after;
    const told = pace.in(MEMORY, 10_000 + 4 * MEMORY);
    expect(Math.abs(told - exact) / exact).toBeLessThan(0.5);
  });

  test('falls by half and half again while nothing is finished', () => {
    const pace = steady(10, 5000);
    const at = (now: number): number => pace.in(MEMORY, now);
    expect(at(5000)).toBeCloseTo(100, 0);
    const later = [5000 + MEMORY, 5000 + 2 * MEMORY, 5000 + 4 * MEMORY].map(at);
    expect(later[0]).toBeLessThan(60);
    expect(later[1]).toBeLessThan(30);
    expect(later[2]).toBeLessThan(10);
  });

  test('forgets one long tick as soon as a short one', () => {
    const pace = new Pace(MEMORY);
    pace.work(true, 0);
    pace.finished(1);
    pace.in(1, 600_000);
    pace.finished(100);
    expect(pace.in(MEMORY, 600_000 + MEMORY)).toBeGreaterThan(50);
  });

  test('of one tick much longer than its memory is that of the tick', () => {
    const pace = new Pace(MEMORY);
    pace.work(true, 0);
    pace.finished(1);
    expect(pace.in(600_000, 600_000)).toBeCloseTo(1, 6);
  });
});
