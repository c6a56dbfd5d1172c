/** The text of the state file that follows. */
import type { Json } from './definition.ts';
import { formatStateFile, type Joins, type StateFile } from './state-file.ts';

/** What is new in it. */
interface Successor {
  readonly state: string;
  readonly payload: Json;
  /** ISO 8601. */
  readonly notBefore?: string | undefined;
  /** The state file that has set the timers which are to end this state. */
  readonly since?: string | undefined;
  readonly waits?: boolean;
  readonly join?: Joins;
}

/**
 * Keeps the parent's way of naming its machine: `{"state": "countdown"}` leads to the same without
 * `machine`, as the original's states do, unless the new state's name no longer says which machine it is.
 * The user's own `x-` keys and the priority go along, and whose branch it is.
 */
export function formatSuccessor(
  parent: StateFile,
  machineName: string,
  { state, payload, notBefore, since, waits = false, join }: Successor,
): string {
  const { notBefore: _1, since: _2, waits: _3, join: _4, machine, ...kept } = parent;
  const isImplied = machine === undefined && state === machineName;
  return formatStateFile({
    ...kept,
    state,
    payload,
    ...(!isImplied && { machine: machine ?? machineName }),
    ...(notBefore !== undefined && { notBefore }),
    ...(since !== undefined && { since }),
    ...(waits && { waits }),
    ...(join !== undefined && { join }),
  });
}
