/**
 * The volume is the common clock: whoever writes to it sees a time stamp of its. Each write is a sample
 * (local time before and after, mtime of what was written) that bounds how far the local clock is off:
 *
 *   mtime − after  ≤  offset  ≤  mtime + granularity − before
 *
 * Samples are intersected, each widened by what clocks may drift apart in its age.
 */
import type { Interval } from './cycle.ts';

/** Milliseconds; `before` and `after` on the local wall clock. */
export interface ClockSample {
  readonly before: number;
  readonly after: number;
  /** As the volume stamped it. */
  readonly mtime: number;
  /** On the monotonic clock, when it was taken. */
  readonly monotonic: number;
}

/** An immutable estimate of "volume time minus local wall clock". */
export interface VolumeClock {
  readonly low: number;
  readonly high: number;
  /** On the monotonic clock: when `low` and `high` held. */
  readonly taken: number;
  /** Wall minus monotonic clock then: when it moves, somebody has set the wall clock. */
  readonly wallOrigin: number;
  /** All stamps so far were whole seconds: they may be truncated. */
  readonly wholeSeconds: boolean;
}

/** Time stamps are taken from the kernel's tick, up to 10 ms ago. */
const GRANULARITY = 10;
const COARSE_GRANULARITY = 1000;
/** Parts of one by which quartz clocks drift apart, generously. */
const DRIFT = 200e-6;
/** The wall clock is slewed by at most 500 ppm; a step beyond this means measuring anew. */
const STEP = 50;
const YEAR_9998 = 253_370_764_800_000;

/** An estimate that knows nothing. */
export function startVolumeClock(): VolumeClock {
  return {
    low: Number.NEGATIVE_INFINITY,
    high: Number.POSITIVE_INFINITY,
    taken: 0,
    wallOrigin: Number.NaN,
    wholeSeconds: true,
  };
}

/** Strange samples (NaN, negative, the year 9999) are no information. */
export function addSample(clock: VolumeClock, sample: ClockSample): VolumeClock {
  const { before, after, mtime, monotonic } = sample;
  const times = [before, after, mtime];
  const sane = times.every((time) => time > 0 && time < YEAR_9998) && after >= before;
  if (!sane || !Number.isFinite(monotonic)) return clock;

  const wholeSeconds = clock.wholeSeconds && mtime % 1000 === 0;
  const granularity = wholeSeconds ? COARSE_GRANULARITY : GRANULARITY;
  const fresh: VolumeClock = {
    low: mtime - after,
    high: mtime + granularity - before,
    taken: monotonic,
    wallOrigin: (before + after) / 2 - monotonic,
    wholeSeconds,
  };
  if (hasStepped(clock, (before + after) / 2, monotonic)) return fresh;
  const widened = widen(clock, monotonic);
  const low = Math.max(fresh.low, widened.low);
  const high = Math.min(fresh.high, widened.high);
  // Contradicting samples: something was set. The newest one is what there is.
  return low > high ? fresh : { ...fresh, low, high };
}

/** The volume's time now, or undefined while nothing (or nothing any more) is known of it. */
export function intervalAt(
  clock: VolumeClock,
  wall: number,
  monotonic: number,
): Interval | undefined {
  if (!Number.isFinite(wall) || hasStepped(clock, wall, monotonic)) return undefined;
  const { low, high } = widen(clock, monotonic);
  if (!Number.isFinite(low) || !Number.isFinite(high)) return undefined;
  return { earliest: wall + low, latest: wall + high };
}

/** Width of the interval, ms; Infinity if nothing is known. */
export function uncertaintyAt(clock: VolumeClock, monotonic: number): number {
  const { low, high } = widen(clock, monotonic);
  return high - low;
}

function widen(clock: VolumeClock, monotonic: number): { low: number; high: number } {
  const drift = Math.max(0, monotonic - clock.taken) * DRIFT;
  return { low: clock.low - drift, high: clock.high + drift };
}

function hasStepped(clock: VolumeClock, wall: number, monotonic: number): boolean {
  return Math.abs(wall - monotonic - clock.wallOrigin) > STEP;
}
