import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addSample,
  intervalAt,
  readClocks,
  startVolumeClock,
  uncertaintyAt,
  type ClockSample,
  type VolumeClock,
} from '../../../src/volume/phases/volume-clock.ts';

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

/** A monotonic clock that reads this, one after the other; the wall clock shows `START` more than the last reading. */
function clocks(...readings: readonly number[]): { monotonic: () => number; wall: () => number } {
  let taken = 0;
  return { monotonic: () => readings[taken++]!, wall: () => START + readings[taken - 1]! };
}

describe('readClocks', () => {
  test('reads both clocks once when the readings lie together', () => {
    const { monotonic, wall } = clocks(100, 100.5, 900);
    expect(readClocks(monotonic, wall)).toEqual({ monotonic: 100.25, wall: START + 100 });
  });

  test('reads again when the thread was preempted in between', () => {
    const { monotonic, wall } = clocks(100, 180, 181, 181);
    expect(readClocks(monotonic, wall)).toEqual({ monotonic: 181, wall: START + 181 });
  });

  test('takes the closest readings when none lie together', () => {
    const gaps = [80, 70, 8, 60, 90, 50, 40, 30, 2, 1];
    const { monotonic, wall } = clocks(...gaps.flatMap((gap, at) => [1000 * at, 1000 * at + gap]));
    expect(readClocks(monotonic, wall)).toEqual({ monotonic: 2004, wall: START + 2000 });
  });

  test('a preempted thread does not make a known time unknown', () => {
    const clock = feed([sample(0, 5000), sample(100, 5000)]);
    const { monotonic, wall } = clocks(200, 400, 401, 401);
    const now = readClocks(monotonic, wall);
    expect(intervalAt(clock, now.wall, now.monotonic)).toBeDefined();
    // As it was: one reading after the other.
    expect(intervalAt(clock, START + 400, 200)).toBeUndefined();
  });
});

describe('the volume is the common clock', () => {
  test('the time is unknown before the first sample', () => {
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

  test('the true time is always within bounds, under delays, old stamps, drift up to 200 ppm and a wall clock that is set', () => {
    const write = fc.record({
      pause: fc.integer({ min: 1, max: 60_000 }),
      toStamp: fc.integer({ min: 0, max: 300 }),
      fromStamp: fc.integer({ min: 0, max: 300 }),
      stampAge: fc.integer({ min: 0, max: 9 }),
      /** The wall clock is set, by a little or by much. */
      set: fc.oneof(fc.constant(0), fc.integer({ min: -60, max: 60 }), fc.integer()),
    });
    fc.assert(
      fc.property(
        fc.array(write, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: -1e7, max: 1e7 }),
        fc.integer({ min: -199, max: 199 }),
        fc.integer({ min: 0, max: 30_000 }),
        fc.integer({ min: -50, max: 50 }),
        (writes, offset, ppm, after, lastSet) => {
          const volumeTime = (local: number): number => START + offset + local * (1 + ppm * 1e-6);
          let clock = startVolumeClock();
          let local = 0;
          let wall = START;
          for (const { pause, toStamp, fromStamp, stampAge, set } of writes) {
            local += pause;
            wall += set % 1e9;
            const before = wall + local;
            const mtime = volumeTime(local + toStamp) - stampAge + 0.5;
            local += toStamp + fromStamp;
            clock = addSample(clock, { before, after: wall + local, mtime, monotonic: local });
          }
          local += after;
          wall += lastSet;
          const now = intervalAt(clock, wall + local, local)!;
          expect(now.earliest).toBeLessThanOrEqual(volumeTime(local) + 0.5);
          expect(now.latest).toBeGreaterThanOrEqual(volumeTime(local) - 0.5);
        },
      ),
    );
  });

  test('more samples never increase the uncertainty', () => {
    const one = feed([sample(0, 0, 40)]);
    const two = feed([sample(0, 0, 40), sample(50, 0, 4)]);
    expect(uncertaintyAt(two, 60)).toBeLessThan(uncertaintyAt(one, 60));
    const wide = addSample(two, sample(100, 0, 40));
    expect(uncertaintyAt(wide, 140)).toBeCloseTo(uncertaintyAt(two, 140));
  });

  test('without samples the uncertainty grows by 200 ppm of its age on either side', () => {
    const clock = feed([sample(500_000, 0), sample(1_000_000, 0)]);
    const late = 2_000_002;
    expect(uncertaintyAt(clock, late) - uncertaintyAt(clock, 1_000_002)).toBeCloseTo(2 * 200);
    const fresh = intervalAt(clock, START + 1_000_002, 1_000_002)!;
    const stale = intervalAt(clock, START + late, late)!;
    expect(fresh.earliest + 1_000_000 - stale.earliest).toBeCloseTo(200, 2);
    expect(stale.latest - (fresh.latest + 1_000_000)).toBeCloseTo(200, 2);
    // The heartbeat's thread may have sampled a moment later than its reader asks.
    expect(uncertaintyAt(clock, 0)).toBe(uncertaintyAt(clock, 1_000_002));
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
    // One that is a whole second by chance, after a step, changes nothing.
    const after = START + 90_002;
    const chance = addSample(fine, {
      before: after - 2,
      after,
      mtime: START + 1000,
      monotonic: 1000,
    });
    expect(uncertaintyAt(chance, 1000)).toBeLessThan(20);
  });

  test('after a step of the wall clock the time is unknown until the next sample', () => {
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

  test('a wall clock moved a little, either way, increases the uncertainty by as much', () => {
    const clock = feed([sample(0, 0)]);
    const width = (moved: number): number => {
      const now = intervalAt(clock, START + 100 + moved, 100)!;
      return now.latest - now.earliest;
    };
    expect(width(50) - width(0)).toBeCloseTo(50);
    expect(width(-50) - width(0)).toBeCloseTo(50);
    expect(intervalAt(clock, START + 151, 100)).toBeUndefined();
    expect(intervalAt(clock, START + 49, 100)).toBeUndefined();
  });

  test('a slow write is a wide sample, and not a step of the clock', () => {
    const clock = feed([sample(0, 0, 800)]);
    const now = intervalAt(clock, START + 900, 900)!;
    expect(now.earliest).toBeLessThanOrEqual(START + 900);
    expect(now.latest).toBeGreaterThanOrEqual(START + 900);
  });

  test('of samples that contradict each other the newest counts', () => {
    const clock = feed([sample(0, 0), sample(100, 700)]);
    const now = intervalAt(clock, START + 200, 200)!;
    expect(now.earliest).toBeGreaterThan(START + 800);
    expect(now.latest).toBeGreaterThanOrEqual(now.earliest);
    expect(now.latest).toBeLessThan(START + 920);
    const back = intervalAt(feed([sample(0, 700), sample(100, 0)]), START + 200, 200)!;
    expect(back.latest).toBeLessThan(START + 220);
    expect(back.latest).toBeGreaterThanOrEqual(back.earliest);
  });

  test.each([
    ['NaN', { mtime: Number.NaN }],
    ['negative', { mtime: -5 }],
    ['the year 9999', { mtime: 253_402_300_799_000 }],
    ['after before before', { after: START - 10 }],
    ['an infinite local time', { before: Number.NEGATIVE_INFINITY }],
    ['no monotonic time', { monotonic: Number.NaN }],
  ])('%s is ignored', (_what, change) => {
    const clock = feed([sample(0, 0)]);
    expect(addSample(clock, { ...sample(10, 0), ...change })).toBe(clock);
  });

  test('the time is unknown if the wall clock is NaN', () => {
    expect(intervalAt(feed([sample(0, 0)]), Number.NaN, 10)).toBeUndefined();
  });
});
