/** Events whose instance does not exist yet, or has ended. */
import type { RejectionRecord } from './record.ts';

/** How long an event waits for its instance, unless its sender specifies it. */
export const DEFAULT_GRACE_MS = 10_000;

/** The instance's last state file. */
export interface LastStep {
  readonly name: string;
  readonly hasEnded: boolean;
}

/** Why the event is rejected; undefined while it waits. `isLate`: its grace period is over. */
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
