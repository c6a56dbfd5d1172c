/** What operators do to instances: the record of a step that puts one elsewhere, and which states can be reset. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { CommitRecord } from '../machine/record.ts';
import { successorName, originName, parseStateName, stateName } from '../machine/name.ts';
import { machineNamed, type StateFile } from '../machine/state-file.ts';
import { formatSuccessor } from '../machine/successor.ts';
import type { NewPlace } from './engine.ts';
import type { Random } from './ports.ts';
import type { Hold } from './session.ts';

const SUFFIX_DIGITS = 8;

/** A new name of a worker that makes such a step. */
export function operatorName(random: Random): string {
  const suffix = Math.floor(random() * 36 ** SUFFIX_DIGITS).toString(36);
  return `operator-${suffix.padStart(SUFFIX_DIGITS, '0')}`;
}

/** The state file is where it is to be put. `to`: checked by `checkPlace`. */
export function isPlaced(file: StateFile, { state, payload = file.payload }: NewPlace): boolean {
  if (file.state !== state) return false;
  // As it would be read: JSON omits what is undefined.
  return isDeepStrictEqual(file.payload, JSON.parse(JSON.stringify(payload)));
}

/** `at`: ISO 8601, the store's time. */
export function placementOf(
  { name, session }: Hold,
  worker: string,
  file: StateFile,
  { state, payload = file.payload }: NewPlace,
  at: string,
): CommitRecord {
  const [machine = ''] = machineNamed(file).split(':');
  const content = formatSuccessor(file, machine, { state, payload });
  const next = { name: successorName(name), content };
  return { flockwork: 1, state: name, session, worker, machine, started: at, finished: at, next };
}

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
