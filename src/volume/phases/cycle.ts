/**
 * The cycle: which phase a moment is in, from the clock alone; which phase to act in next, and the guards that keep work
 * inside it (I4).
 *
 *   cycle = assignment + buffer + commitment + buffer + update + buffer, counted from the epoch
 *
 * Phases are half-open, [start, end), and exact in integer milliseconds.
 */
import { invariant } from '../../machine/invariant.ts';
import type { PhaseGuard } from '../operations.ts';
import { hash } from './hash.ts';

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

/** Bounds of the current time, ms since the epoch. */
export interface Interval {
  readonly earliest: number;
  readonly latest: number;
}

const ORDER: readonly PhaseName[] = ['assignment', 'commitment', 'update'];

/** For volumes where a listing takes a millisecond: half a second a cycle, most of it for work. */
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

const MAX_CYCLE_MS = 86_400_000;
/** A worker acts only while it knows the time to within a buffer; no clock is read with a finer resolution than this. */
const MIN_BUFFER_MS = 2;

/** The problem of these lengths, as a sentence, or undefined. */
export function checkPhaseLengths(lengths: PhaseLengths): string | undefined {
  for (const phase of ORDER) {
    if (!Number.isSafeInteger(lengths[phase]) || lengths[phase] < 1) {
      return `the ${phase} phase must last a whole number of milliseconds, at least 1, not ${lengths[phase]}`;
    }
  }
  if (!Number.isSafeInteger(lengths.buffer) || lengths.buffer < MIN_BUFFER_MS) {
    return `the buffer must last a whole number of milliseconds, at least ${MIN_BUFFER_MS}, not ${lengths.buffer}`;
  }
  if (cycleLength(lengths) > MAX_CYCLE_MS) return 'a cycle must not be longer than a day';
  return undefined;
}

export function cycleLength(lengths: PhaseLengths): number {
  return lengths.assignment + lengths.commitment + lengths.update + 3 * lengths.buffer;
}

/** Start of the cycle that `time` is in; both ms since the epoch. */
export function cycleStart(lengths: PhaseLengths, time: number): number {
  const length = cycleLength(lengths);
  return Math.floor(time / length) * length;
}

/** The phase or buffer that `time` (ms since the epoch) is in. */
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
  throw new RangeError(`expected milliseconds since the epoch, got ${time}`);
}

/** I4: the moment, if the whole interval lies in one phase or buffer; else undefined. */
export function momentOf(lengths: PhaseLengths, now: Interval): Moment | undefined {
  const isTime = Math.abs(now.earliest) <= Number.MAX_SAFE_INTEGER && now.earliest <= now.latest;
  if (!isTime) return undefined;
  const moment = momentAt(lengths, now.earliest);
  const isIn = moment.start <= now.earliest && now.earliest < moment.end;
  invariant(isIn, 'I4: expected start <= time < end of a phase');
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

export interface PhaseTurn {
  readonly phase: PhaseName;
  readonly cycle: number;
  readonly end: number;
}

export type Wait =
  | { readonly kind: 'turn'; readonly turn: PhaseTurn }
  | { readonly kind: 'sleep'; readonly ms: number };

/** The phase to act in now, unless `last` was the same; else the time until the next change, ms. */
export function nextTurn(phases: PhaseLengths, now: Interval, last: PhaseTurn | undefined): Wait {
  const moment = momentOf(phases, now);
  if (moment !== undefined && isOpen(moment) && !isSame(moment, last)) {
    const { after: phase, cycle, end } = moment;
    return { kind: 'turn', turn: { phase, cycle, end } };
  }
  // Until the earliest possible time is past the end: only then is the whole interval in the next part.
  const { end } = moment ?? momentAt(phases, now.earliest);
  return { kind: 'sleep', ms: Math.max(1, Math.ceil(end - now.earliest)) };
}

/**
 * Milliseconds until the cycle in which an idle session looks again: one of the cycles that fit into `interval` (ms), chosen
 * by a hash of the session, so that the sessions of an idle fleet do not all look at once.
 */
export function untilNextLook(
  phases: PhaseLengths,
  now: Interval,
  interval: number,
  session: string,
): number {
  const length = cycleLength(phases);
  const cycles = Math.max(1, Math.floor(interval / length));
  const { cycle } = momentAt(phases, now.earliest);
  const left = cycles - ((cycle + hash(session)) % cycles);
  return Math.ceil((cycle + left) * length - now.earliest);
}

/** Worker Assignment only reads, and nothing changes before Worker Commitment: it may be late, in its buffer. */
function isOpen({ phase, after }: Moment): boolean {
  return phase !== 'buffer' || after === 'assignment';
}

function isSame(moment: Moment, last: PhaseTurn | undefined): boolean {
  return last !== undefined && moment.cycle === last.cycle && moment.after === last.phase;
}

/** Guards for one turn. `time` gives the volume's time, or undefined while it is uncertain. */
export function guardFor(
  phases: PhaseLengths,
  turn: PhaseTurn,
  time: () => Interval | undefined,
  follow: boolean,
): PhaseGuard {
  const now = (use: (interval: Interval) => boolean): boolean => {
    const interval = time();
    return interval !== undefined && use(interval);
  };
  return {
    follow,
    cycle: turn.cycle,
    canBegin: () =>
      now((interval) => {
        const isIn = isWithin(phases, interval, turn.phase, turn.cycle);
        invariant(!isIn || interval.latest < turn.end, 'I4: expected canFinish wherever canBegin');
        return isIn;
      }),
    canFinish: () =>
      now((interval) => {
        const inside = momentAt(phases, interval.earliest);
        return (
          inside.cycle === turn.cycle &&
          inside.after === turn.phase &&
          interval.latest < turn.end + phases.buffer
        );
      }),
  };
}
