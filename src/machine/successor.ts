/** The text of the state file that follows. */
import type { Answer } from './answer.ts';
import { formatStateFile, type StateFile } from './state-file.ts';

/**
 * Keeps the parent's way of naming its machine: `{"state": "countdown"}` leads to the same without
 * `machine`, as the original's states do, unless the new state's name no longer says which machine it is.
 * The user's own `x-` keys and the priority go along.
 */
export function successorContent(
  parent: StateFile,
  machineName: string,
  answer: Extract<Answer, { kind: 'next' }>,
): string {
  const { notBefore: _notBefore, machine, ...kept } = parent;
  const isImplied = machine === undefined && answer.state === machineName;
  return formatStateFile({
    ...kept,
    state: answer.state,
    payload: answer.payload === undefined ? parent.payload : answer.payload,
    ...(!isImplied && { machine: machine ?? machineName }),
  });
}
