/** Which phase to act in next, and the guards that keep work inside it (I4). */
import { invariant } from '../../machine/invariant.ts';
import {
  isWithin,
  momentAt,
  momentOf,
  type Interval,
  type Moment,
  type PhaseLengths,
  type PhaseName,
} from './cycle.ts';
import type { PhaseGuard } from '../operations.ts';

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
