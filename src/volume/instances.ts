/** Instances and their statuses, from directory listings alone. */
import { parseStateName, stateName, compareCodePoints } from '../machine/name.ts';
import type { InstanceStatus } from '../engine/engine.ts';
import { isDone } from './archive.ts';
import { namesOrNone } from './census.ts';
import type { HistoryFiles } from './history.ts';
import type { Layout } from './layout.ts';

/** By the flag of a state file. */
export type FlagStatus = Exclude<InstanceStatus, 'archived'>;

export interface InstanceName {
  readonly instance: string;
  /** Its last state file. */
  readonly name: string;
}

/** In the order of the names. */
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
): Promise<(name: string) => FlagStatus> {
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
export async function statusOf(
  files: HistoryFiles,
  layout: Layout,
  name: string,
): Promise<FlagStatus> {
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
