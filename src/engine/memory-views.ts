/** What clients see of the states of a memory engine. */
import type {
  Counts,
  InstanceFilter,
  InstanceStatus,
  InstanceStep,
  ListedInstance,
  InstancePage,
  Page,
  PlaceCount,
} from './engine.ts';
import { compareCodePoints } from '../machine/name.ts';
import { isOfMachine, machineNamed } from '../machine/state-file.ts';
import type { MemoryRows, StateRow } from './memory-rows.ts';
import { exactCounts, workerOf } from './decisions.ts';

export const hasFailed = ({ failure, done }: StateRow): boolean =>
  failure !== undefined && done === undefined;

function statusOf({ done, failure, holder, isWaiting }: StateRow): InstanceStatus {
  if (done !== undefined) return 'done';
  if (failure !== undefined) return 'failed';
  if (holder !== undefined) return 'in progress';
  return isWaiting ? 'waiting' : 'available';
}

export function stepOf(row: StateRow): InstanceStep {
  const { name, file, done, failure, holder, tick } = row;
  const record = done?.record;
  return {
    name,
    flag: statusOf(row),
    machine: file.machine,
    state: file.state,
    payload: file.payload,
    hook: file.hook?.run,
    worker: done?.worker ?? failure?.worker ?? (holder && workerOf(holder)),
    started: record?.started ?? tick?.started,
    duration:
      record === undefined
        ? tick?.duration
        : Date.parse(record.finished) - Date.parse(record.started),
    attempts: record?.attempts ?? failure?.attempts ?? row.attempts,
    events: record?.events ?? [],
    output: record?.output,
    reason: done === undefined ? failure?.reason : undefined,
    join: file.join,
  };
}

export function listRows(
  rows: MemoryRows,
  { status, machine, state, prefix = '' }: InstanceFilter,
  { after = '', limit }: Page,
): InstancePage {
  const isWanted = (instance: string): boolean =>
    instance.startsWith(prefix) && compareCodePoints(instance, after) > 0;
  const instances: ListedInstance[] = [];
  for (const instance of rows.instances.filter(isWanted).sort(compareCodePoints)) {
    const last = rows.last(instance);
    if (last === undefined) continue;
    const one = listedOf(last);
    if (status !== undefined && one.status !== status) continue;
    if (state !== undefined && one.state !== state) continue;
    if (machine !== undefined && !isOfMachine(one.machine, machine)) continue;
    if (instances.length === limit) return { instances, next: instances.at(-1)!.instance };
    instances.push(one);
  }
  return { instances };
}

function listedOf(row: StateRow): ListedInstance {
  const { instance, name, file, since } = row;
  return {
    instance,
    name,
    status: statusOf(row),
    machine: machineNamed(file),
    state: file.state,
    since,
  };
}

export function countRows(rows: MemoryRows): Counts {
  const places = new Map<string, PlaceCount>();
  for (const instance of rows.instances) {
    const last = rows.last(instance);
    if (last === undefined) continue;
    const { machine, state, status } = listedOf(last);
    const key = JSON.stringify([machine, state, status]);
    places.set(key, { machine, state, status, count: (places.get(key)?.count ?? 0) + 1 });
  }
  return exactCounts([...places.values()]);
}
