/**
 * The volume is the common clock: whoever writes to it sees a time stamp of its. Each write is a sample
 * (local time before and after, mtime of what was written) that bounds how far the local clock is off:
 *
 *   mtime − after  ≤  offset  ≤  mtime + granularity − before
 *
 * Samples are intersected, each widened by what clocks may drift apart in its age, and by what the local
 * wall clock has moved against the monotonic one since: nobody can tell which of the two was wrong.
 */
import type { Interval } from './cycle.ts';

/** Milliseconds; `before` and `after` on the local wall clock. */
export interface ClockSample {
  readonly before: number;
  readonly after: number;
  /** As the volume stamped it. */
  readonly mtime: number;
  /** The monotonic clock at `after`. */
  readonly monotonic: number;
}

/** An immutable estimate of "volume time minus local wall clock". */
export interface VolumeClock {
  readonly low: number;
  readonly high: number;
  /** On the monotonic clock: when `low` and `high` held. */
  readonly taken: number;
  /** Wall minus monotonic clock then: it moves when somebody sets the wall clock, or the host slept. */
  readonly wallOrigin: number;
  /** All stamps so far were whole seconds: they may be truncated. */
  readonly wholeSeconds: boolean;
}

/** Time stamps are taken from the kernel's tick, up to 10 ms ago. */
const GRANULARITY = 10;
const COARSE_GRANULARITY = 1000;
/** Parts of one by which quartz clocks drift apart, generously. */
const DRIFT = 200e-6;
/** ms by which wall and monotonic clock may move against each other before it takes measuring anew. */
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
    // A slow write blurs `before`, not this: its samples are as good as their width.
    wallOrigin: after - monotonic,
    wholeSeconds,
  };
  const known = widen(clock, after, monotonic);
  if (known === undefined) return fresh;
  const low = Math.max(fresh.low, known.low);
  const high = Math.min(fresh.high, known.high);
  // Contradicting samples: something was set. The newest one is what there is.
  return low > high ? fresh : { ...fresh, low, high };
}

/**
 * The volume's time now, or undefined while nothing (or nothing any more) is known of it. `isOwn`: this host's
 * kernel makes the stamps, so that nothing but a program's own idea of the time can be off; while no sample
 * says that it is, the time is exact.
 */
export function intervalAt(
  clock: VolumeClock,
  wall: number,
  monotonic: number,
  isOwn: boolean = false,
): Interval | undefined {
  const known = widen(clock, wall, monotonic);
  if (known === undefined) return undefined;
  if (isOwn && known.low <= 0 && known.high >= 0) return { earliest: wall, latest: wall + 1 };
  return { earliest: wall + known.low, latest: wall + known.high };
}

/**
 * The middle of what the volume's time can be, carried on by the monotonic clock alone: a guess that stays
 * near the truth while the wall clock is set, or says nothing sensible. NaN before the first sample.
 */
export function estimateAt(clock: VolumeClock, monotonic: number): number {
  return monotonic + clock.wallOrigin + (clock.low + clock.high) / 2;
}

/** ISO 8601; the epoch for what is no time. */
export function formatInstant(time: number): string {
  return new Date(time > 0 && time < YEAR_9998 ? time : 0).toISOString();
}

/** Width of the interval while the wall clock is left alone, ms; Infinity if nothing is known. */
export function uncertaintyAt(clock: VolumeClock, monotonic: number): number {
  return clock.high - clock.low + 2 * drift(clock, monotonic);
}

/** The bounds now; undefined before the first sample, and after a step: what was known holds no more. */
function widen(
  clock: VolumeClock,
  wall: number,
  monotonic: number,
): { low: number; high: number } | undefined {
  const moved = wall - monotonic - clock.wallOrigin;
  if (!(Math.abs(moved) <= STEP)) return undefined;
  const apart = drift(clock, monotonic);
  return {
    low: clock.low - apart - Math.max(0, moved),
    high: clock.high + apart - Math.min(0, moved),
  };
}

function drift(clock: VolumeClock, monotonic: number): number {
  return Math.max(0, monotonic - clock.taken) * DRIFT;
}
