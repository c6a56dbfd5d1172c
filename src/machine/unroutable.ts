/** What becomes of an event that no open state waits for: its instance is not there yet, has ended, or has failed. */
import type { RejectionRecord } from './record.ts';

/** Milliseconds that an event waits for its instance, where its sender has not said. */
export const DEFAULT_GRACE_MS = 10_000;

/** The instance's last state file, and whether its step was the last. */
export interface LastStep {
  readonly name: string;
  readonly hasEnded: boolean;
}

/** Undefined while it may wait. `isLate`: it has waited for its grace. */
export function unroutableReason(
  instance: string,
  last: LastStep | undefined,
  isLate: boolean,
): Pick<RejectionRecord, 'outcome' | 'reason'> | undefined {
  if (last === undefined) {
    if (!isLate) return undefined;
    return { outcome: 'FsmNotFound', reason: `there is no instance ${instance}` };
  }
  if (!last.hasEnded) return undefined;
  return { outcome: 'EventNotAllowed', reason: `${instance} has ended with ${last.name}` };
}
