/** Lists instances for users: names and statuses from directory listings alone, more of each from its files. */
import { parseStateName, stateName } from '../machine/name.ts';
import { compareCodePoints } from './phases/order.ts';
import { findState, isDone } from './archive.ts';
import { namesOrNone } from './census.ts';
import type { HistoryFiles } from './history.ts';
import type { Layout } from './layout.ts';
import { listShards } from './admin.ts';
import { placeOf } from './overview.ts';

/** By the flag of an instance's last state file. */
export type Status = 'done' | 'failed' | 'in progress' | 'waiting' | 'available';

export interface InstanceName {
  readonly instance: string;
  /** Its last state file. */
  readonly name: string;
}

export interface InstanceLine extends InstanceName {
  readonly status: Status;
  /** Undefined if the state file is gone, or does not parse. */
  readonly machine: string | undefined;
  readonly state: string | undefined;
  /** ISO 8601, volume time: when the state file was written. */
  readonly since: string | undefined;
}

/** In order. Without `archived`, only instances with a state file in the root: those of the others are all done. */
export async function listInstances(
  files: HistoryFiles,
  layout: Layout,
  isWanted: (instance: string) => boolean,
  archived: boolean,
): Promise<InstanceName[]> {
  const last = await lastSteps(files, layout.entries, isWanted);
  for (const shard of archived ? await listShards(files, layout) : []) {
    const isNew = (instance: string): boolean => !last.has(instance) && isWanted(instance);
    for (const [instance, step] of await lastSteps(files, shard, isNew)) last.set(instance, step);
  }
  return inOrder(last);
}

export function inOrder(last: ReadonlyMap<string, number>): InstanceName[] {
  const names = Array.from(last, ([instance, step]) => ({
    instance,
    name: stateName(instance, step),
  }));
  return names.sort((a, b) => compareCodePoints(a.instance, b.instance));
}

/** The last step of each instance that has a state file in this directory. */
export async function lastSteps(
  files: HistoryFiles,
  directory: string,
  isWanted: (instance: string) => boolean,
): Promise<Map<string, number>> {
  const last = new Map<string, number>();
  for await (const name of namesOrNone(files, directory)) {
    const parsed = parseStateName(name);
    if (parsed === undefined || !isWanted(parsed.instance)) continue;
    const { instance, step } = parsed;
    if (step >= (last.get(instance) ?? 0)) last.set(instance, step);
  }
  return last;
}

/** A lookup of any state's status, from four listings: for a filter. */
export async function listStatuses(
  files: HistoryFiles,
  layout: Layout,
): Promise<(name: string) => Status> {
  const of = async (flag: 'done' | 'failed' | 'in_progress' | 'waiting'): Promise<Set<string>> => {
    const names = new Set<string>();
    for await (const name of namesOrNone(files, layout.flags(flag))) names.add(name);
    return names;
  };
  const sets = [
    ['done', await of('done')],
    ['failed', await of('failed')],
    ['in progress', await of('in_progress')],
    ['waiting', await of('waiting')],
  ] as const;
  return (name) => sets.find(([, names]) => names.has(name))?.[0] ?? 'available';
}

/** The status of one state, by its flags. */
export async function statusOf(files: HistoryFiles, layout: Layout, name: string): Promise<Status> {
  if (await isDone(files, layout, name)) return 'done';
  for (const [flag, status] of [
    ['failed', 'failed'],
    ['in_progress', 'in progress'],
    ['waiting', 'waiting'],
  ] as const) {
    if ((await files.stat(layout.flag(flag, name))) !== undefined) return status;
  }
  return 'available';
}

/** Reads the instance's last state file. */
export async function readInstance(
  files: HistoryFiles,
  layout: Layout,
  { instance, name }: InstanceName,
  status: Status,
): Promise<InstanceLine> {
  const place = await placeOf(files, layout, name).catch(() => undefined);
  const path = await findState(files, layout, name);
  const mtime = (await files.stat(path))?.mtime;
  const since = mtime === undefined ? undefined : new Date(Math.floor(mtime)).toISOString();
  return { instance, name, status, machine: place?.machine, state: place?.state, since };
}
