/** Formats the outcome of an event for `send --wait` and `outcome`. */
import type { Outcome } from '../machine/event.ts';
import type { AppliedEvent, VerdictRecord } from '../machine/record.ts';
import { EXIT } from './command.ts';

export function describeOutcome(outcome: AppliedEvent | VerdictRecord): string {
  const { outcome: code, reason } = outcome;
  const move =
    'from' in outcome && outcome.to !== undefined ? `: ${outcome.from} → ${outcome.to}` : '';
  return `${code}${move}${reason === undefined ? '' : `: ${reason}`}`;
}

export function statusOfOutcome({ outcome }: AppliedEvent | VerdictRecord): number {
  return outcome === ('Ok' satisfies Outcome) ? EXIT.done : EXIT.failed;
}
