/** Resets a volume as its users ask for it: refused while a worker might run what is undone. */
import type { ResetFilter, ResetResult } from '../engine/engine.ts';
import type { Clock } from '../engine/ports.ts';
import { UserError } from '../machine/errors.ts';
import { parseStateName } from '../machine/name.ts';
import {
  readLeases,
  resetDone,
  resetFailed,
  resetInProgress,
  resetProblemOf,
  resetState,
  type GoesOn,
} from './admin.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

export interface ResetPorts {
  readonly files: Files;
  readonly layout: Layout;
  readonly clock: Clock;
  /** Undefined before the first worker. */
  readonly leaseMs: number | undefined;
}

/** Sessions whose lease changes within two heartbeats. Returns at once if there are no leases. Throws the reason of `stop`. */
export async function findLiving(
  { files, layout, clock, leaseMs }: ResetPorts,
  stop: AbortSignal,
): Promise<Set<string>> {
  const before = await readLeases(files, layout);
  if (before.size === 0 || leaseMs === undefined) return new Set();
  // Two heartbeats; there are five to a lease.
  await clock.sleep((leaseMs * 2) / 5, stop);
  // A sleep that was cut short has seen no heartbeat of a living session.
  stop.throwIfAborted();
  const after = await readLeases(files, layout);
  return new Set(
    [...after]
      .filter(([session, counter]) => before.get(session) !== counter)
      .map(([session]) => session),
  );
}

/** Throws `workers-alive`. */
export function refuseLiving(living: ReadonlySet<string>): void {
  if (living.size === 0) return;
  throw new UserError(
    'workers-alive',
    `workers are running on this volume (${[...living].join(', ')}); stop them first`,
  );
}

/** Throws `not-reset` for the first state that cannot be reset on its own, `bad-name` for no name of a state file. */
async function checkResets(
  { files, layout }: Pick<ResetPorts, 'files' | 'layout'>,
  states: readonly string[],
): Promise<void> {
  for (const name of states) {
    if (parseStateName(name) === undefined) {
      throw new UserError('bad-name', `"${name}" is not a valid name of a state file`);
    }
    const problem = await resetProblemOf(files, layout, name);
    if (problem === undefined) continue;
    throw new UserError('not-reset', `cannot reset ${name}: ${problem}`, { name });
  }
}

/** Each state with all that followed from it. Returns the names of all that were undone; a state may follow from another. */
export async function resetStates(
  { files, layout }: Pick<ResetPorts, 'files' | 'layout'>,
  states: readonly string[],
  goesOn: GoesOn,
): Promise<ResetResult> {
  const [done, archived] = [new Set<string>(), new Set<string>()];
  for (const name of states) {
    if (!(await goesOn())) break;
    const undone = await resetState(files, layout, name);
    for (const one of undone?.done ?? []) done.add(one);
    for (const one of undone?.archived ?? []) archived.add(one);
  }
  return { done: [...done], archived: [...archived], failed: [], inProgress: [] };
}

/** `living`: from `findLiving`; for done states there must be none. */
export async function resetStatuses(
  { files, layout }: Pick<ResetPorts, 'files' | 'layout'>,
  statuses: readonly ('done' | 'failed' | 'in progress')[],
  living: ReadonlySet<string>,
  goesOn: GoesOn,
): Promise<ResetResult> {
  const has = (status: (typeof statuses)[number]): boolean => statuses.includes(status);
  return {
    failed: has('failed') ? await resetFailed(files, layout, goesOn) : [],
    inProgress: has('in progress') ? await resetInProgress(files, layout, living, goesOn) : [],
    ...(has('done') ? await resetDone(files, layout, goesOn) : { done: [], archived: [] }),
  };
}

/** See `ClientApi.reset`. */
export async function resetVolume(
  ports: ResetPorts,
  what: ResetFilter,
  signal: AbortSignal = new AbortController().signal,
): Promise<ResetResult> {
  const goesOn: GoesOn = async () => {
    signal.throwIfAborted();
    return true;
  };
  if ('states' in what) await checkResets(ports, what.states);
  const living = await findLiving(ports, signal);
  if ('states' in what || what.statuses.includes('done')) refuseLiving(living);
  if ('states' in what) return resetStates(ports, what.states, goesOn);
  return resetStatuses(ports, what.statuses, living, goesOn);
}
