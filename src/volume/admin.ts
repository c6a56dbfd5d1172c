/**
 * Operations that a user runs on a volume: retry, reset, pause, resume. A reset of done states is refused while a worker might
 * run what is undone.
 */
import { isStateName, originName, parseStateName, stateName } from '../machine/name.ts';
import { appliedKeys, publishedStates, parseCommitRecord } from '../machine/record.ts';
import { forkingState, resetProblem } from '../engine/decisions.ts';
import { isArchived, readDoneFlag } from './archive.ts';
import { removeAttempts } from './attempts.ts';
import {
  recreate,
  listEntry,
  listOrNone,
  readFlag,
  remove,
  removeIfContent,
} from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import { isJunkName, type Layout } from './layout.ts';
import { parseToken } from './token.ts';
import { readSigns, SILENT_AFTER_LEASES } from './vitals.ts';
import type { ResetFilter, ResetResult } from '../engine/engine.ts';
import type { Clock } from '../engine/ports.ts';
import { UserError } from '../machine/errors.ts';

/** Removes the failed flag and all attempts, so that the state is available again. False if it has not failed. */
export async function retryState(files: Files, layout: Layout, name: string): Promise<boolean> {
  const flag = layout.flag('failed', name);
  if ((await files.stat(flag)) === undefined) return false;
  // Attempts first: with them, the next worker would fail the state at once.
  await removeAttempts(files, layout, name);
  await remove(files, flag);
  return true;
}

export interface Reset {
  /** Names of all flags that were removed. */
  readonly done: readonly string[];
  /** Those of them that were in the archive. */
  readonly archived: readonly string[];
}

/** Called between the steps of a long operation; false stops it there. */
export type GoesOn = () => Promise<boolean>;
const always: GoesOn = () => Promise.resolve(true);

/** What a step has left on the volume. */
interface StepTraces {
  /** State files' names. */
  readonly successors: readonly string[];
  readonly appliedKeys: readonly string[];
  readonly emittedNames: readonly string[];
}

/**
 * Removes all done flags, in `done/` and in the archive, with the successors and events of these steps, and moves archived
 * state files back to the root. Events that these steps applied may be sent again.
 */
export async function resetDone(
  files: Files,
  layout: Layout,
  goesOn: GoesOn = always,
): Promise<Reset> {
  const inDone = (await listOrNone(files, layout.flags('done'))).filter(isStateName);
  const archived = (await listArchived(files, layout)).filter(isStateName);
  const records = new Map<string, StepTraces>();
  for (const name of new Set([...inDone, ...archived])) {
    if (!(await goesOn())) return { done: [], archived: [] };
    records.set(name, tracesOf(name, await readDoneFlag(files, layout, name)));
  }
  return undo(files, layout, records, new Set(archived), goesOn);
}

/** Why this state cannot be reset on its own; undefined if it can. */
export async function resetProblemOf(
  files: Files,
  layout: Layout,
  name: string,
): Promise<string | undefined> {
  const text = await readDoneFlag(files, layout, name);
  const forking = forkingState(name);
  return resetProblem(name, {
    isDone: text !== undefined,
    record: parseCommitRecord(text ?? '', name),
    hasForked: forking !== undefined && (await readDoneFlag(files, layout, forking)) !== undefined,
  });
}

/**
 * Makes one done state run again: removes its flag, and all steps that follow from it. Undefined if it is not done. Only for
 * a volume without workers.
 */
export async function resetState(
  files: Files,
  layout: Layout,
  name: string,
): Promise<Reset | undefined> {
  const records = new Map<string, StepTraces>();
  const archived = new Set<string>();
  const names = [name];
  for (let next = names.pop(); next !== undefined; next = names.pop()) {
    const text = await readDoneFlag(files, layout, next);
    // Not done: it is removed with the step that led to it.
    if (text === undefined || records.has(next)) continue;
    if (await isArchived(files, layout, next)) archived.add(next);
    const traces = tracesOf(next, text);
    records.set(next, traces);
    names.push(...traces.successors);
  }
  if (!records.has(name)) return undefined;
  return undo(files, layout, records, archived);
}

function tracesOf(name: string, text: string | undefined): StepTraces {
  const record = parseCommitRecord(text ?? '', name);
  const { emit = [] } = record ?? {};
  return {
    successors:
      text === '' ? [foreignSuccessor(name)] : publishedStates(record).map((one) => one.name),
    appliedKeys: appliedKeys(record),
    emittedNames: emit.map((event) => event.name),
  };
}

/** Removes what these steps have left. */
async function undo(
  files: Files,
  layout: Layout,
  records: ReadonlyMap<string, StepTraces>,
  inArchive: ReadonlySet<string>,
  goesOn: GoesOn = always,
): Promise<Reset> {
  const undone: string[] = [];
  // Children before parents: after any interruption, the remaining steps are a run that can continue.
  for (const name of [...records.keys()].sort(laterFirst)) {
    if (!(await goesOn())) break;
    const { successors, emittedNames, ...traces } = records.get(name)!;
    for (const event of emittedNames) await remove(files, layout.event(event));
    for (const key of traces.appliedKeys) await removeOutcome(files, layout, key);
    for (const successor of successors) {
      await remove(files, layout.flag('failed', successor));
      // A stale claim.
      await remove(files, layout.flag('in_progress', successor));
      // The next file of this name may be in another state, one that has an activity.
      await remove(files, layout.flag('waiting', successor));
      await removeAttempts(files, layout, successor);
      await remove(files, layout.state(successor));
    }
    // The flag in the archive last: until then the state is done, wherever its file is.
    if (inArchive.has(name)) await bringBack(files, layout, name);
    await remove(files, layout.flag('done', name));
    if (inArchive.has(name)) await remove(files, layout.archivedFlag(name));
    undone.push(name);
  }
  await removeEmptyShards(files, layout);
  return { done: undone, archived: undone.filter((name) => inArchive.has(name)) };
}

/** Removes all versions: the event would wait for a step that is not done. */
async function removeOutcome(files: Files, layout: Layout, key: string): Promise<void> {
  for (let version = 0; ; version += 1) {
    const path = layout.outcome(key, version);
    if ((await files.stat(path)) === undefined) return;
    await remove(files, path);
  }
}

/** Moves an archived state file to the root, unless a user has put another one there since: that one will run. */
async function bringBack(files: Files, layout: Layout, name: string): Promise<void> {
  const [from, to] = [layout.archivedState(name), layout.state(name)];
  if ((await files.stat(from)) === undefined) return;
  if ((await files.stat(to)) === undefined) await files.rename(from, to);
  else await remove(files, from);
}

async function listArchived(files: Files, layout: Layout): Promise<string[]> {
  const names: string[] = [];
  for (const shard of await listShards(files, layout)) {
    names.push(...(await listEntry(files, `${shard}/done`)));
  }
  return names;
}

/** Paths of the archive's shards. A user may have other entries in it, or a file of its name. */
export async function listShards(files: Files, layout: Layout): Promise<string[]> {
  if ((await files.stat(layout.archive))?.kind !== 'directory') return [];
  const names = await listOrNone(files, layout.archive);
  return names
    .filter((name) => /^[0-9a-f]{2}$/.test(name))
    .map((name) => `${layout.archive}/${name}`);
}

async function removeEmptyShards(files: Files, layout: Layout): Promise<void> {
  const shards = await listShards(files, layout);
  for (const directory of [
    ...shards.flatMap((shard) => [`${shard}/done`, shard]),
    layout.archive,
  ]) {
    await removeIfEmpty(files, directory);
  }
}

async function removeIfEmpty(files: Files, directory: string): Promise<void> {
  try {
    await files.removeDirectory(directory);
  } catch (error) {
    // NFS answers EEXIST for a directory that is not empty.
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/** The original program's flags do not name a successor: it is the next step, by convention. */
function foreignSuccessor(name: string): string {
  const { instance, step } = parseStateName(name)!;
  return stateName(instance, step + 1);
}

/**
 * Orders the steps of an instance and its branches, the last first: a branch comes after the step that forks, and before
 * the join.
 */
function laterFirst(one: string, other: string): number {
  const [a, b] = [pathOf(one), pathOf(other)];
  const differs = a.findIndex((step, index) => step !== b[index]);
  return differs === -1 ? b.length - a.length : (b[differs] ?? -1) - a[differs]!;
}

/** Step numbers: of each step that forks on the way to this branch, then its own. */
function pathOf(name: string): number[] {
  const { instance, step } = parseStateName(name)!;
  const origin = originName(stateName(instance, 0));
  return origin === undefined ? [step] : [...pathOf(origin), step];
}

/** Removes claims whose session is not in `living`, and other programs'. Returns the states' names. */
export async function resetInProgress(
  files: Files,
  layout: Layout,
  living: ReadonlySet<string>,
  goesOn: GoesOn = always,
): Promise<string[]> {
  const dropped: string[] = [];
  for (const name of await listOrNone(files, layout.flags('in_progress'))) {
    if (!isStateName(name)) continue;
    if (!(await goesOn())) break;
    const flag = layout.flag('in_progress', name);
    const text = await readFlag(files, flag);
    if (text === undefined || living.has(parseToken(text)?.session ?? '')) continue;
    if (await removeIfContent(files, flag, text)) dropped.push(name);
  }
  return dropped;
}

export async function resetFailed(
  files: Files,
  layout: Layout,
  goesOn: GoesOn = always,
): Promise<string[]> {
  const failed = (await listOrNone(files, layout.flags('failed'))).filter(isStateName);
  const retried: string[] = [];
  for (const name of failed) {
    if (!(await goesOn())) break;
    await retryState(files, layout, name);
    retried.push(name);
  }
  return retried;
}

/** Removes what dead sessions and earlier runs have left in `workers/` and `.flockwork/`. */
export async function resetTraces(
  files: Files,
  layout: Layout,
  living: ReadonlySet<string>,
): Promise<void> {
  await resetWorkers(files, layout, living);
  for (const name of (await listOrNone(files, layout.internal('attempts'))).filter(isStateName)) {
    await removeAttempts(files, layout, name);
  }
  for (const session of await listOrNone(files, layout.internal('staging'))) {
    if (living.has(session) || isJunkName(session)) continue;
    const staging = layout.internal('staging', session);
    for (const name of await listEntry(files, staging)) await remove(files, `${staging}/${name}`);
    await removeIfEmpty(files, staging);
  }
  for (const part of ['sessions', 'leases', 'journal'] as const) {
    for (const name of await listOrNone(files, layout.internal(part))) {
      if ([...living].some((session) => name.includes(session))) continue;
      const path = layout.internal(part, name);
      if ((await files.stat(path))?.kind === 'file') await remove(files, path);
    }
  }
}

/** Worker flags whose session is not in `living`, and those that belong to no session: content by name. */
export async function leftWorkers(
  files: Files,
  layout: Layout,
  living: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const left = new Map<string, string>();
  for (const name of await listOrNone(files, layout.flags('workers'))) {
    const text = isJunkName(name) ? undefined : await readFlag(files, layout.flag('workers', name));
    if (text !== undefined && !living.has(parseToken(text)?.session ?? '')) left.set(name, text);
  }
  return left;
}

/** Removes the flags that `leftWorkers` finds. Returns their names. */
export async function resetWorkers(
  files: Files,
  layout: Layout,
  living: ReadonlySet<string>,
): Promise<string[]> {
  const left = await leftWorkers(files, layout, living);
  for (const [name, text] of left) await removeIfContent(files, layout.flag('workers', name), text);
  return [...left.keys()];
}

/** Creates the marker on which workers stop claiming. Ticks that run are settled. */
export async function pauseVolume(files: Files, layout: Layout, note: string): Promise<void> {
  try {
    await recreate(files, layout.paused, note);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** False if the volume was not paused. */
export async function resumeVolume(files: Files, layout: Layout): Promise<boolean> {
  const paused = (await files.stat(layout.paused)) !== undefined;
  await remove(files, layout.paused);
  return paused;
}

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
  const before = await readSigns(files, layout);
  if (before.size === 0 || leaseMs === undefined) return new Set();
  await clock.sleep(leaseMs * SILENT_AFTER_LEASES, stop);
  // A sleep that was cut short has seen no heartbeat of a living session.
  stop.throwIfAborted();
  const after = await readSigns(files, layout);
  return new Set(
    [...after]
      .filter(([session, { counter }]) => before.get(session)?.counter !== counter)
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
