/** Operations that a user runs on a volume: retry, reset, pause, resume. */
import { isStateName, originName, parseStateName, stateName } from '../machine/name.ts';
import { appliedKeys, publishedStates, parseCommitRecord } from '../machine/record.ts';
import { forkingState, resetProblem } from '../engine/operator.ts';
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
import { parseCounter } from './pulse.ts';
import { parseToken } from './token.ts';

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

/** The counter of each lease, by session: one that changes between two reads belongs to a live session. */
export async function readLeases(files: Files, layout: Layout): Promise<Map<string, number>> {
  const leases = new Map<string, number>();
  for (const session of await listOrNone(files, layout.internal('leases'))) {
    const counter = parseCounter(await readFlag(files, layout.internal('leases', session)));
    if (counter !== undefined) leases.set(session, counter);
  }
  return leases;
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
