/** Counts instances by status, from listings, and by machine and state, from some of their state files. */
import type { Counts, InstanceStatus, PlaceCount } from '../engine/engine.ts';
import { listShards } from './admin.ts';
import type { HistoryFiles } from './history.ts';
import { inOrder, lastSteps, listStatuses } from './instances.ts';
import type { Layout } from './layout.ts';
import { placeOf } from './overview.ts';

/** State files that are read of each status. */
const MAX_READ_STATES = 400;
/** Shards of the archive are counted up to this sum; the others have about as many each. */
const SAMPLED_INSTANCES = 20_000;

export async function countInstances(files: HistoryFiles, layout: Layout): Promise<Counts> {
  const last = await lastSteps(files, layout.entries, () => true);
  const statusFrom = await listStatuses(files, layout);
  const names = Map.groupBy(
    inOrder(last).map(({ name }) => name),
    statusFrom,
  );
  const archived = await countArchived(files, layout, last);
  const places: PlaceCount[] = [];
  let { isSampled } = archived;
  for (const [status, all] of names) {
    const sample = sampleOf(all);
    isSampled ||= sample.length < all.length;
    places.push(...(await placesOf(files, layout, status, sample, all.length / sample.length)));
  }
  const of = (status: InstanceStatus): number =>
    status === 'archived' ? archived.count : (names.get(status)?.length ?? 0);
  return {
    statuses: {
      done: of('done'),
      archived: of('archived'),
      failed: of('failed'),
      'in progress': of('in progress'),
      waiting: of('waiting'),
      available: of('available'),
    },
    places,
    isSampled,
  };
}

/** Evenly spread: instances of one machine often have names that begin alike. */
function sampleOf(names: readonly string[]): readonly string[] {
  if (names.length <= MAX_READ_STATES) return names;
  const step = names.length / MAX_READ_STATES;
  return Array.from({ length: MAX_READ_STATES }, (_, index) => names[Math.floor(index * step)]!);
}

async function placesOf(
  files: HistoryFiles,
  layout: Layout,
  status: InstanceStatus,
  names: readonly string[],
  scale: number,
): Promise<PlaceCount[]> {
  const counts = new Map<string, PlaceCount>();
  for (const name of names) {
    const place = await placeOf(files, layout, name).catch(() => undefined);
    const { machine, state } = place ?? { machine: undefined, state: undefined };
    const key = JSON.stringify([machine, state]);
    counts.set(key, { machine, state, status, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return Array.from(counts.values(), (one) => ({ ...one, count: Math.round(one.count * scale) }));
}

/** Instances that have a state file in the root have continued, and are not counted. */
async function countArchived(
  files: HistoryFiles,
  layout: Layout,
  inRoot: ReadonlyMap<string, number>,
): Promise<{ readonly count: number; readonly isSampled: boolean }> {
  const shards = await listShards(files, layout);
  let [counted, sampled] = [0, 0];
  for (const shard of shards) {
    const isArchived = (instance: string): boolean => !inRoot.has(instance);
    counted += (await lastSteps(files, shard, isArchived)).size;
    sampled += 1;
    if (counted >= SAMPLED_INSTANCES) break;
  }
  const isSampled = sampled < shards.length;
  return {
    count: isSampled ? Math.round((counted / sampled) * shards.length) : counted,
    isSampled,
  };
}
