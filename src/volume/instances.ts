/**
 * Instances: their names and statuses, from directory listings alone; pages of them; counts, by machine and state, too, from
 * some of their state files; and results of those that have finished, from the records in `done/` and in the archive.
 */
import { parseStateName, stateName, compareCodePoints } from '../machine/name.ts';
import type {
  InstanceStatus,
  InstanceFilter,
  ListedInstance,
  InstancePage,
  Page,
  Counts,
  PlaceCount,
} from '../engine/engine.ts';
import { isDone, findState, readDoneFlag } from './archive.ts';
import { namesOrNone, placeOf } from './overview.ts';
import { entriesInOrder, type HistoryFiles } from './history.ts';
import type { Layout } from './layout.ts';
import { isOfMachine } from '../machine/state-file.ts';
import { listShards } from './admin.ts';
import { firstIndex } from './phases/ring.ts';
import type { Json } from '../machine/definition.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { parseToken } from './token.ts';

/** By the flag of a state file. */
export type FlagStatus = Exclude<InstanceStatus, 'archived'>;

export interface InstanceName {
  readonly instance: string;
  /** Its last state file. */
  readonly name: string;
}

/** In the order of the names. */
function inOrder(last: ReadonlyMap<string, number>): InstanceName[] {
  const names = Array.from(last, ([instance, step]) => ({
    instance,
    name: stateName(instance, step),
  }));
  return names.sort((a, b) => compareCodePoints(a.instance, b.instance));
}

/** The last step of each instance that has a state file in this directory. */
async function lastSteps(
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
async function listStatuses(
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
async function statusOf(files: HistoryFiles, layout: Layout, name: string): Promise<FlagStatus> {
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

/** Candidates that one page looks at. */
const MAX_LOOKS_PER_PAGE = 1000;
/** Time between two pages in which the names of a listing are kept. */
const KEPT_MS = 5000;

/** Flags of which few states have one, compared with the number of instances. */
const RARE = { failed: 'failed', 'in progress': 'in_progress', waiting: 'waiting' } as const;

interface KeptNames {
  /** Of status and prefix. */
  readonly key: string;
  readonly names: readonly InstanceName[];
  /** Monotonic, ms: of its last page. */
  usedAt: number;
}

/**
 * Pages of instances. Names and statuses come from directory listings; of each entry, and of each candidate that is filtered
 * by machine or state, the last state file is read.
 *
 * Problem: each page would list the volume again, so that all pages together cost the square of one listing. Remedy: the
 * names of the last listing are kept, and a page that follows soon goes on in them.
 */
export class InstanceLists {
  readonly #files: HistoryFiles;
  readonly #layout: Layout;
  readonly #monotonic: () => number;
  #kept: KeptNames | undefined;

  constructor(files: HistoryFiles, layout: Layout, monotonic: () => number) {
    this.#files = files;
    this.#layout = layout;
    this.#monotonic = monotonic;
  }

  async list(filter: InstanceFilter, { after = '', limit }: Page): Promise<InstancePage> {
    const names = await this.#names(filter, after);
    const instances: ListedInstance[] = [];
    let examined = after;
    let looks = 0;
    for (let index = indexAfter(names, after); index < names.length; index += 1) {
      if (instances.length === limit || looks === MAX_LOOKS_PER_PAGE) {
        return { instances, next: examined };
      }
      const name = names[index]!;
      const one = await this.#read(name, filter);
      if (one !== undefined) instances.push(one);
      examined = name.instance;
      looks += 1;
    }
    this.#kept = undefined;
    return { instances };
  }

  /** All candidates by name. */
  async #names(
    { status, prefix = '' }: InstanceFilter,
    after: string,
  ): Promise<KeptNames['names']> {
    const key = JSON.stringify([status, prefix]);
    const now = this.#monotonic();
    const kept = this.#kept;
    if (after !== '' && kept?.key === key && now - kept.usedAt < KEPT_MS) {
      kept.usedAt = now;
      return kept.names;
    }
    const isWanted = (instance: string): boolean => instance.startsWith(prefix);
    const names = inOrder(await this.#lastSteps(status, isWanted));
    const ofStatus = await this.#filterBy(status, names);
    this.#kept = { key, names: ofStatus, usedAt: this.#monotonic() };
    return ofStatus;
  }

  async #lastSteps(
    status: InstanceStatus | undefined,
    isWanted: (instance: string) => boolean,
  ): Promise<Map<string, number>> {
    const [files, layout] = [this.#files, this.#layout];
    if (isRare(status)) return lastSteps(files, layout.flags(RARE[status]), isWanted);
    if (status !== 'archived') return lastSteps(files, layout.entries, isWanted);
    const continued = new Set<string>();
    for await (const name of namesOrNone(files, layout.entries)) {
      const instance = parseStateName(name)?.instance;
      if (instance !== undefined) continued.add(instance);
    }
    const last = new Map<string, number>();
    for (const shard of await listShards(files, layout)) {
      const isNew = (instance: string): boolean => !continued.has(instance) && isWanted(instance);
      for (const [instance, step] of await lastSteps(files, shard, isNew)) last.set(instance, step);
    }
    return last;
  }

  async #filterBy(
    status: InstanceStatus | undefined,
    names: InstanceName[],
  ): Promise<InstanceName[]> {
    if (status !== 'done' && status !== 'available') return names;
    const statusFrom = await listStatuses(this.#files, this.#layout);
    return names.filter(({ name }) => statusFrom(name) === status);
  }

  /** Undefined if it does not match. */
  async #read(
    { instance, name }: InstanceName,
    { status: wanted, machine, state }: InstanceFilter,
  ): Promise<ListedInstance | undefined> {
    const [files, layout] = [this.#files, this.#layout];
    // Those of other statuses are known from the listing.
    const isListed = wanted !== undefined && !isRare(wanted);
    const status = isListed ? wanted : await statusOf(files, layout, name);
    if (isRare(wanted) && (status !== wanted || (await this.#hasContinued(name)))) return undefined;
    const place = await placeOf(files, layout, name).catch(() => undefined);
    if (machine !== undefined && !isOfMachine(place?.machine, machine)) return undefined;
    if (state !== undefined && place?.state !== state) return undefined;
    const mtime = (await files.stat(await findState(files, layout, name)))?.mtime;
    const since = mtime === undefined ? undefined : new Date(Math.floor(mtime)).toISOString();
    return { instance, name, status, machine: place?.machine, state: place?.state, since };
  }

  /** Is a later step there? A flag may be a moment older than the successor of its state. */
  async #hasContinued(name: string): Promise<boolean> {
    const { instance, step } = parseStateName(name)!;
    const next = this.#layout.state(stateName(instance, step + 1));
    return (await this.#files.stat(next)) !== undefined;
  }
}

function isRare(status: InstanceStatus | undefined): status is keyof typeof RARE {
  return status !== undefined && status in RARE;
}

/** Index of the first name after `after`. `names` are in order. */
function indexAfter(names: readonly InstanceName[], after: string): number {
  return firstIndex(names.length, (at) => compareCodePoints(names[at]!.instance, after) <= 0);
}

/** State files that are read of each status. */
const MAX_READ_STATES = 400;
/** Shards of the archive are counted up to this sum; the others have about as many each. */
const SAMPLED_INSTANCES = 20_000;

/** Counts instances by status, from listings, and by machine and state, from some of their state files. */
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

/** Of a finished instance. */
export interface Result {
  readonly instance: string;
  readonly machine: string | undefined;
  /** Its last state. */
  readonly state: string | undefined;
  /** Undefined if the last step answered none: then there is `payload`. */
  readonly output?: Json;
  readonly payload?: Json;
  readonly worker: string | undefined;
  /** ISO 8601, volume time; undefined if neither a record nor a journal has it. */
  readonly finished: string | undefined;
  /** It is a branch of a fork: its join has its output. */
  readonly isBranch: boolean;
}

/** Instances in order, then archived ones, shard by shard. */
export async function* readResults(
  files: HistoryFiles,
  layout: Layout,
  isWanted: (instance: string) => boolean,
): AsyncGenerator<Result> {
  const ends = new EndTimes(files, layout);
  const inRoot = await lastSteps(files, layout.entries, isWanted);
  for (const one of inOrder(inRoot)) {
    const result = await readResult(files, layout, one, ends);
    if (result !== undefined) yield result;
  }
  // An instance with a state file in the root has continued.
  const isArchived = (instance: string): boolean => !inRoot.has(instance) && isWanted(instance);
  for (const shard of await listShards(files, layout)) {
    for (const one of inOrder(await lastSteps(files, shard, isArchived))) {
      const result = await readResult(files, layout, one, ends);
      if (result !== undefined) yield result;
    }
  }
}

/** Undefined for an instance that has not finished. */
async function readResult(
  files: HistoryFiles,
  layout: Layout,
  { instance, name }: InstanceName,
  ends: EndTimes,
): Promise<Result | undefined> {
  if (!(await isDone(files, layout, name))) return undefined;
  const text = (await readDoneFlag(files, layout, name)) ?? '';
  // A flag may hold the records of other states, too.
  const record = parseCommitRecord(text, name);
  if (record?.next !== undefined) return undefined;
  const place = await placeOf(files, layout, name).catch(() => undefined);
  const output = record?.output;
  return {
    instance,
    machine: record?.machine ?? place?.machine,
    state: place?.state,
    ...(output !== undefined && { output }),
    ...(output === undefined && place !== undefined && { payload: place.file.payload }),
    worker: record?.worker ?? parseToken(text)?.worker,
    finished: record?.finished ?? (await ends.of(name)),
    isBranch: place?.file.branch !== undefined,
  };
}

/** End times of steps without a record, from the journals: read once, on the first call. */
class EndTimes {
  readonly #files: HistoryFiles;
  readonly #layout: Layout;
  #known: Map<string, number> | undefined;

  constructor(files: HistoryFiles, layout: Layout) {
    this.#files = files;
    this.#layout = layout;
  }

  async of(name: string): Promise<string | undefined> {
    this.#known ??= await this.#read();
    const end = this.#known.get(name);
    return end === undefined ? undefined : new Date(end).toISOString();
  }

  async #read(): Promise<Map<string, number>> {
    const ends = new Map<string, number>();
    for await (const entries of entriesInOrder(this.#files, this.#layout)) {
      for (const { state, result, started, duration } of entries) {
        if (result === 'done') ends.set(state, Date.parse(started) + duration);
      }
    }
    return ends;
  }
}
