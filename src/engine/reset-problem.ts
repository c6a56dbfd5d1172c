/** Which done states can be reset on their own. Pure. */
import { originName, parseStateName, stateName } from '../machine/name.ts';
import type { CommitRecord } from '../machine/record.ts';

/** The state that forks, for a state of a branch; else undefined. */
export function forkingState(name: string): string | undefined {
  return originName(stateName(parseStateName(name)!.instance, 0));
}

export interface ResetCandidate {
  readonly isDone: boolean;
  /** Undefined if it is not done, or has no record. */
  readonly record: CommitRecord | undefined;
  /** The state that forks is done. */
  readonly hasForked: boolean;
}

/** Why this state cannot be reset on its own; undefined if it can. */
export function resetProblem(
  name: string,
  { isDone, record, hasForked }: ResetCandidate,
): string | undefined {
  if (!isDone) {
    return 'it is not done; flockwork show prints its status, and flockwork retry makes a failed state available again';
  }
  const { instance, step } = parseStateName(name)!;
  if (hasForked) {
    return `it is in a branch, whose end another instance may have applied; reset ${forkingState(name)}, which forks`;
  }
  const { events = [] } = record ?? {};
  if (step === 0 || events.length === 0) return undefined;
  const applied = events.map(({ event, id }) => event ?? id).join(', ');
  return `it applied events that are gone (${applied}); reset ${instance}, and send them again`;
}
