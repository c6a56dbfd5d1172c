/**
 * The temporal semaphore: which phase a moment is in, from the clock alone.
 *
 *   cycle = assignment + buffer + commitment + buffer + update + buffer, counted from the epoch
 *
 * Phases are half-open, [start, end), and exact in integer milliseconds.
 */
export type PhaseName = 'assignment' | 'commitment' | 'update';

/** Integer milliseconds. */
export interface PhaseLengths {
  readonly assignment: number;
  readonly commitment: number;
  readonly update: number;
  readonly buffer: number;
}

export interface Moment {
  /** Cycles since the epoch. */
  readonly cycle: number;
  readonly phase: PhaseName | 'buffer';
  /** The phase itself, or the one that this buffer follows. */
  readonly after: PhaseName;
  readonly start: number;
  readonly end: number;
}

/** What the time can be, ms since the epoch: nobody knows it better than that. */
export interface Interval {
  readonly earliest: number;
  readonly latest: number;
}

const ORDER: readonly PhaseName[] = ['assignment', 'commitment', 'update'];

/** Where a listing takes a millisecond: half a second a cycle, most of it for work. */
export const LOCAL_PHASES: PhaseLengths = {
  assignment: 20,
  commitment: 20,
  update: 400,
  buffer: 20,
};

/** The original's cycle, 12 s: a network's directory caches expire within a phase. */
export const NETWORK_PHASES: PhaseLengths = {
  assignment: 3000,
  commitment: 3000,
  update: 3000,
  buffer: 1000,
};

const LONGEST_CYCLE = 86_400_000;
/** A worker acts only while it knows the time to a buffer; nobody's clock is read finer than this. */
const SHORTEST_BUFFER = 2;

/** A sentence on what is wrong with these lengths, or undefined. */
export function checkPhaseLengths(lengths: PhaseLengths): string | undefined {
  for (const phase of ORDER) {
    if (!Number.isSafeInteger(lengths[phase]) || lengths[phase] < 1) {
      return `the ${phase} phase has to last a whole number of milliseconds, at least 1, not ${lengths[phase]}`;
    }
  }
  if (!Number.isSafeInteger(lengths.buffer) || lengths.buffer < SHORTEST_BUFFER) {
    return `the buffer has to last a whole number of milliseconds, at least ${SHORTEST_BUFFER}, not ${lengths.buffer}`;
  }
  if (cycleLength(lengths) > LONGEST_CYCLE) return 'a cycle may not be longer than a day';
  return undefined;
}

export function cycleLength(lengths: PhaseLengths): number {
  return lengths.assignment + lengths.commitment + lengths.update + 3 * lengths.buffer;
}

/** When the cycle began that `time` (ms since the epoch) is in. */
export function cycleStart(lengths: PhaseLengths, time: number): number {
  const length = cycleLength(lengths);
  return Math.floor(time / length) * length;
}

/** Where in the cycle `time` (ms since the epoch) is. */
export function momentAt(lengths: PhaseLengths, time: number): Moment {
  const length = cycleLength(lengths);
  const cycle = Math.floor(time / length);
  let start = cycle * length;
  for (const phase of ORDER) {
    const end = start + lengths[phase];
    if (time < end) return { cycle, phase, after: phase, start, end };
    start = end + lengths.buffer;
    if (time < start) return { cycle, phase: 'buffer', after: phase, start: end, end: start };
  }
  throw new RangeError(`${time} is no time`);
}

/** I4: the moment, if the whole interval lies in one phase or buffer; undefined for a doubtful one. */
export function momentOf(lengths: PhaseLengths, now: Interval): Moment | undefined {
  const isTime = Math.abs(now.earliest) <= Number.MAX_SAFE_INTEGER && now.earliest <= now.latest;
  if (!isTime) return undefined;
  const moment = momentAt(lengths, now.earliest);
  return now.latest < moment.end ? moment : undefined;
}

/** I4: does the whole interval lie in this phase (of this cycle, where one is given)? */
export function isWithin(
  lengths: PhaseLengths,
  now: Interval,
  phase: PhaseName,
  cycle?: number,
): boolean {
  const moment = momentOf(lengths, now);
  return moment?.phase === phase && (cycle === undefined || moment.cycle === cycle);
}
