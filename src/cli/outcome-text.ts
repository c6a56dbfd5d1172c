/** Formats the outcome of an event for `send --wait` and `outcome`. */
import type { EventOutcome } from '../machine/event.ts';
import type { AppliedEvent, RejectionRecord } from '../machine/record.ts';
import { EXIT } from './command.ts';

export function describeOutcome(outcome: AppliedEvent | RejectionRecord): string {
  const { outcome: code, reason } = outcome;
  const move =
    'from' in outcome && outcome.to !== undefined ? `: ${outcome.from} → ${outcome.to}` : '';
  return `${code}${move}${reason === undefined ? '' : `: ${reason}`}`;
}

export function statusOfOutcome({ outcome }: AppliedEvent | RejectionRecord): number {
  return outcome === ('Ok' satisfies EventOutcome) ? EXIT.done : EXIT.failed;
}
