/** Writes a successor's state file. */
import type { Json } from './definition.ts';
import { formatStateFile, type Joins, type PendingHook, type StateFile } from './state-file.ts';

/** What differs from the parent. */
interface Successor {
  readonly state: string;
  readonly payload: Json;
  /** ISO 8601. */
  readonly notBefore?: string | undefined;
  /** The state file that set the timers of this state. */
  readonly since?: string | undefined;
  readonly waits?: boolean;
  readonly hook?: PendingHook | undefined;
  readonly join?: Joins;
}

/**
 * Names the machine as the parent does: a successor of `{"state": "countdown"}` has no `machine` either, unless its state is
 * no longer the machine's name. Copies the user's `x-` keys, the priority and `branch`.
 */
export function formatSuccessor(
  parent: StateFile,
  machineName: string,
  { state, payload, notBefore, since, waits = false, hook, join }: Successor,
): string {
  const { notBefore: _1, since: _2, waits: _3, hook: _4, join: _5, machine, ...kept } = parent;
  const isImplied = machine === undefined && state === machineName;
  return formatStateFile({
    ...kept,
    state,
    payload,
    ...(!isImplied && { machine: machine ?? machineName }),
    ...(notBefore !== undefined && { notBefore }),
    ...(since !== undefined && { since }),
    ...(waits && { waits }),
    ...(hook !== undefined && { hook }),
    ...(join !== undefined && { join }),
  });
}
