import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addSample,
  intervalAt,
  startVolumeClock,
  uncertaintyAt,
  type ClockSample,
  type VolumeClock,
} from '../../src/semaphore/volume-clock.ts';

const START = 1_700_000_000_000;

const feed = (samples: readonly ClockSample[]): VolumeClock =>
  samples.reduce(addSample, startVolumeClock());

/** A write at `monotonic`, by a host whose wall clock is `off` ms behind the volume. */
function sample(monotonic: number, off: number, took = 2, stampAge = 3): ClockSample {
  const before = START + monotonic;
  return {
    before,
    after: before + took,
    mtime: before + off + took / 2 - stampAge,
    monotonic: monotonic + took,
  };
}

describe('the volume is the common clock', () => {
  test('before the first sample nothing is known', () => {
    expect(intervalAt(startVolumeClock(), START, 0)).toBeUndefined();
    expect(uncertaintyAt(startVolumeClock(), 0)).toBe(Number.POSITIVE_INFINITY);
  });

  test('a host five seconds behind learns the volume’s time', () => {
    const clock = feed([sample(0, 5000), sample(100, 5000)]);
    const now = intervalAt(clock, START + 200, 200)!;
    expect(now.earliest).toBeLessThanOrEqual(START + 5200);
    expect(now.latest).toBeGreaterThanOrEqual(START + 5200);
    expect(now.latest - now.earliest).toBeLessThan(20);
  });

  test('the true time is always within bounds, under delays, old stamps and drift up to 200 ppm', () => {
    const write = fc.record({
      pause: fc.integer({ min: 1, max: 60_000 }),
      toStamp: fc.integer({ min: 0, max: 50 }),
      fromStamp: fc.integer({ min: 0, max: 50 }),
      stampAge: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(write, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: -1e7, max: 1e7 }),
        fc.integer({ min: -199, max: 199 }),
        fc.integer({ min: 0, max: 30_000 }),
        (writes, offset, ppm, after) => {
          const volumeTime = (local: number): number => START + offset + local * (1 + ppm * 1e-6);
          let clock = startVolumeClock();
          let local = 0;
          for (const { pause, toStamp, fromStamp, stampAge } of writes) {
            local += pause;
            const before = START + local;
            const mtime = volumeTime(local + toStamp) - stampAge + 0.5;
            local += toStamp + fromStamp;
            clock = addSample(clock, { before, after: START + local, mtime, monotonic: local });
          }
          local += after;
          const now = intervalAt(clock, START + local, local)!;
          expect(now.earliest).toBeLessThanOrEqual(volumeTime(local) + 0.5);
          expect(now.latest).toBeGreaterThanOrEqual(volumeTime(local) - 0.5);
        },
      ),
    );
  });

  test('more samples make it no less certain', () => {
    const one = feed([sample(0, 0, 40)]);
    const two = feed([sample(0, 0, 40), sample(50, 0, 4)]);
    expect(uncertaintyAt(two, 60)).toBeLessThan(uncertaintyAt(one, 60));
  });

  test('without news it grows less certain, by 200 ppm on either side', () => {
    const clock = feed([sample(0, 0)]);
    const grown = uncertaintyAt(clock, 1_000_002) - uncertaintyAt(clock, 2);
    expect(grown).toBeCloseTo(2 * 200);
  });

  test('whole-second stamps may be a second old; one fractional stamp says that they are not', () => {
    const whole = feed([{ before: START + 400, after: START + 402, mtime: START, monotonic: 0 }]);
    const now = intervalAt(whole, START + 402, 0)!;
    expect(now.earliest).toBeLessThanOrEqual(START + 402);
    expect(now.latest).toBeGreaterThanOrEqual(START + 402);
    const fine = addSample(whole, {
      before: START + 500,
      after: START + 502,
      mtime: START + 500.25,
      monotonic: 100,
    });
    expect(uncertaintyAt(fine, 100)).toBeLessThan(20);
  });

  test('a step of the wall clock ends what was known, until the next sample', () => {
    const clock = feed([sample(0, 0)]);
    expect(intervalAt(clock, START + 10_000, 100)).toBeUndefined();
    const again = addSample(clock, {
      before: START + 10_000,
      after: START + 10_001,
      mtime: START + 150.5,
      monotonic: 150,
    });
    const now = intervalAt(again, START + 10_050, 199)!;
    expect(now.earliest).toBeLessThanOrEqual(START + 200);
    expect(now.latest).toBeGreaterThanOrEqual(START + 200);
  });

  test('of samples that contradict each other the newest counts', () => {
    const clock = feed([sample(0, 0), sample(100, 700)]);
    const now = intervalAt(clock, START + 200, 200)!;
    expect(now.earliest).toBeGreaterThan(START + 800);
  });

  test.each([
    ['NaN', { mtime: Number.NaN }],
    ['negative', { mtime: -5 }],
    ['the year 9999', { mtime: 253_402_300_799_000 }],
    ['after before before', { after: START - 10 }],
    ['an infinite local time', { before: Number.NEGATIVE_INFINITY }],
    ['no monotonic time', { monotonic: Number.NaN }],
  ])('%s is no information', (_what, change) => {
    const clock = feed([sample(0, 0)]);
    expect(addSample(clock, { ...sample(10, 0), ...change })).toBe(clock);
  });

  test('a wall clock that says NaN says nothing', () => {
    expect(intervalAt(feed([sample(0, 0)]), Number.NaN, 10)).toBeUndefined();
  });
});
