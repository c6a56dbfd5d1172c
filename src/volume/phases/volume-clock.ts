/**
 * The volume is the common clock: it stamps each file that is written. Each write is a sample (local time before and after,
 * mtime of the file) that bounds the offset of the local clock:
 *
 *   mtime − after  ≤  offset  ≤  mtime + granularity − before
 *
 * Samples are intersected, each widened by the drift of clocks in its age, and by how far the local wall clock has moved
 * against the monotonic one since: either of the two may be wrong.
 */
import { invariant } from '../../machine/invariant.ts';
import type { Interval } from './cycle.ts';

/** One moment, on both clocks of a host, ms. */
export interface HostMoment {
  readonly monotonic: number;
  readonly wall: number;
}

/** Two readings of a clock lie closer together, unless the thread was preempted between them. */
const MAX_READING_GAP_MS = 1;
/** On a host that is too busy for a pair of close readings, the closest of so many counts. */
const MAX_READINGS = 8;

/**
 * Reads both clocks of a host at one moment. A pause of the thread between two readings would pass for a step of a clock, so
 * the wall clock is read between two readings of the monotonic one, and again if those lie apart.
 */
export function readClocks(monotonic: () => number, wall: () => number): HostMoment {
  let closest: HostMoment | undefined;
  let closestGap = Number.POSITIVE_INFINITY;
  for (let reading = 1; ; reading += 1) {
    const before = monotonic();
    const now = wall();
    const after = monotonic();
    const gap = after - before;
    const moment = { monotonic: before + gap / 2, wall: now };
    if (gap <= MAX_READING_GAP_MS) return moment;
    if (gap < closestGap) [closest, closestGap] = [moment, gap];
    if (reading === MAX_READINGS) return closest ?? moment;
  }
}

/** Milliseconds; `before` and `after` on the local wall clock. */
export interface ClockSample {
  readonly before: number;
  readonly after: number;
  /** The volume's time stamp. */
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
  /** Wall minus monotonic clock then: it changes when the wall clock is set, or the host has slept. */
  readonly wallOrigin: number;
  /** All stamps so far were whole seconds: they may be truncated. */
  readonly wholeSeconds: boolean;
}

/** Time stamps are taken from the kernel's tick, up to 10 ms ago. */
const GRANULARITY_MS = 10;
const WHOLE_SECOND_MS = 1000;
/** Milliseconds per millisecond by which quartz clocks drift apart, generously. */
const DRIFT_RATE = 200e-6;
/** If wall and monotonic clock move further against each other, earlier samples no longer count. */
export const MAX_STEP_MS = 50;
const YEAR_9998_MS = 253_370_764_800_000;

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

/** Adds a sample; an invalid one (NaN, negative, the year 9999) is ignored. */
export function addSample(clock: VolumeClock, sample: ClockSample): VolumeClock {
  const { before, after, mtime, monotonic } = sample;
  const times = [before, after, mtime];
  const sane = times.every((time) => time > 0 && time < YEAR_9998_MS) && after >= before;
  if (!sane || !Number.isFinite(monotonic)) return clock;

  const wholeSeconds = clock.wholeSeconds && mtime % 1000 === 0;
  const granularity = wholeSeconds ? WHOLE_SECOND_MS : GRANULARITY_MS;
  const fresh: VolumeClock = {
    low: mtime - after,
    high: mtime + granularity - before,
    taken: monotonic,
    // A slow write makes `before` early, but not `after`.
    wallOrigin: after - monotonic,
    wholeSeconds,
  };
  const known = widen(clock, after, monotonic);
  if (known === undefined) return fresh;
  const low = Math.max(fresh.low, known.low);
  const high = Math.min(fresh.high, known.high);
  // Contradicting samples: a clock was set, and only the newest one counts.
  return low > high ? fresh : { ...fresh, low, high };
}

/**
 * The volume's time now, or undefined while it is not known, or no longer. `isOwn`: this host's kernel makes the stamps, so
 * the local clock is exact unless a sample contradicts it.
 */
export function intervalAt(
  clock: VolumeClock,
  wall: number,
  monotonic: number,
  isOwn: boolean = false,
): Interval | undefined {
  const known = widen(clock, wall, monotonic);
  if (known === undefined) return undefined;
  invariant(known.low <= known.high, 'I4: expected earliest <= latest of the time');
  if (isOwn && known.low <= 0 && known.high >= 0) return { earliest: wall, latest: wall + 1 };
  return { earliest: wall + known.low, latest: wall + known.high };
}

/**
 * Middle of the interval, continued with the monotonic clock alone: an estimate that does not depend on a wall clock that is
 * set or invalid. NaN before the first sample.
 */
export function estimateAt(clock: VolumeClock, monotonic: number): number {
  return monotonic + clock.wallOrigin + (clock.low + clock.high) / 2;
}

/** ISO 8601; the epoch for an invalid time. */
export function formatInstant(time: number): string {
  return new Date(time > 0 && time < YEAR_9998_MS ? time : 0).toISOString();
}

/** Width of the interval while the wall clock is left alone, ms; Infinity if nothing is known. */
export function uncertaintyAt(clock: VolumeClock, monotonic: number): number {
  return clock.high - clock.low + 2 * drift(clock, monotonic);
}

/** How far the wall clock has moved against the monotonic one since the last sample, ms; NaN before the first. */
export function stepSince(clock: VolumeClock, { wall, monotonic }: HostMoment): number {
  return wall - monotonic - clock.wallOrigin;
}

/** The bounds now; undefined before the first sample, and after a step of a clock. */
function widen(
  clock: VolumeClock,
  wall: number,
  monotonic: number,
): { low: number; high: number } | undefined {
  const moved = stepSince(clock, { wall, monotonic });
  if (!(Math.abs(moved) <= MAX_STEP_MS)) return undefined;
  const apart = drift(clock, monotonic);
  return {
    low: clock.low - apart - Math.max(0, moved),
    high: clock.high + apart - Math.min(0, moved),
  };
}

function drift(clock: VolumeClock, monotonic: number): number {
  return Math.max(0, monotonic - clock.taken) * DRIFT_RATE;
}
