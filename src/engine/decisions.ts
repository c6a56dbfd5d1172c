/**
 * What all engines do alike: the names of sessions, exact counts, the step by which an operator puts an instance elsewhere (placement), which states
 * can be reset, and what becomes of a state that its worker refuses. Pure.
 */
import { isDeepStrictEqual } from 'node:util';
import type { CommitRecord } from '../machine/record.ts';
import { successorName, originName, parseStateName, stateName } from '../machine/name.ts';
import { machineNamed, formatSuccessor, type StateFile } from '../machine/state-file.ts';
import type { Counts, NewPlace, PlaceCount } from './engine.ts';
import type { Random } from './ports.ts';
import type { Hold, KnownMachines, Refusal } from './session.ts';

const SUFFIX_DIGITS = 8;

/** A new name of a worker that makes such a step. */
export function operatorName(random: Random): string {
  const suffix = Math.floor(random() * 36 ** SUFFIX_DIGITS).toString(36);
  return `operator-${suffix.padStart(SUFFIX_DIGITS, '0')}`;
}

const BOOT_DIGITS = 8;

/** A new session of this worker: `NAME.BOOT`. */
export function sessionName(worker: string, random: Random): string {
  const boot = Math.floor(random() * 10 ** BOOT_DIGITS);
  return `${worker}.${String(boot).padStart(BOOT_DIGITS, '0')}`;
}

/** The worker of a session. */
export const workerOf = ({ session }: Pick<Hold, 'session'>): string =>
  session.slice(0, session.lastIndexOf('.'));

/** `places`: all instances, one entry for each machine, state and status. */
export function exactCounts(places: readonly PlaceCount[]): Counts {
  const statuses = {
    done: 0,
    archived: 0,
    failed: 0,
    'in progress': 0,
    waiting: 0,
    available: 0,
  };
  for (const { status, count } of places) statuses[status] += count;
  return { statuses, places, isSampled: false };
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

/** Among a session's machines: it also runs commands of configurations that the engine stores. */
const TRUSTS_STORED = '*';

/**
 * Decides on a state whose machine or name its worker does not know. It is left to another session that may know it. If no
 * session does, it is failed, with the names that they know, so that a fleet can drain. `others`: live sessions that have not
 * refused the state yet. `all`: every live session, including this one.
 */
export function decideRefusal(
  { code, machine, state, reason, stored }: Refusal,
  others: readonly KnownMachines[],
  all: readonly KnownMachines[],
):
  | { readonly kind: 'leave'; readonly reason: string }
  | { readonly kind: 'fail'; readonly code: string; readonly reason: string } {
  const trusts = ({ machines }: KnownMachines): boolean => machines.includes(TRUSTS_STORED);
  const mayKnow = (one: KnownMachines): boolean => knows(one, machine, state);
  if (others.some(mayKnow) || (stored?.needsTrust === true && others.some(trusts))) {
    return { kind: 'leave', reason: stored?.reason ?? reason };
  }
  const unknown =
    state === undefined
      ? `no worker here knows machine ${machine}; they know ${namesOf(all)}`
      : reason;
  return { kind: 'fail', code, reason: stored?.reason ?? unknown };
}

function namesOf(all: readonly KnownMachines[]): string {
  const names = new Set(all.flatMap(({ machines }) => machines));
  names.delete(TRUSTS_STORED);
  return [...names].sort().join(', ') || 'none';
}

/** True also for a session that does not announce the states of the machine: it may know this one. */
function knows(
  { machines, states }: KnownMachines,
  machine: string,
  state: string | undefined,
): boolean {
  const isMeant = (one: string): boolean =>
    one === machine || (!machine.includes(':') && one.split(':')[0] === machine);
  return machines.some((one) => {
    if (!isMeant(one)) return false;
    const known = states?.[one];
    return state === undefined || known === undefined || known.includes(state);
  });
}
