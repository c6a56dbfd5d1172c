/**
 * Pages of instances. Names and statuses come from directory listings; of each entry, and of each candidate that is filtered
 * by machine or state, the last state file is read.
 *
 * Problem: each page would list the volume again, so that all pages together cost the square of one listing. Remedy: the
 * names of the last listing are kept, and a page that follows soon goes on in them.
 */
import type {
  InstanceFilter,
  InstanceStatus,
  ListedInstance,
  InstancePage,
  Page,
} from '../engine/engine.ts';
import { compareCodePoints, parseStateName, stateName } from '../machine/name.ts';
import { isOfMachine } from '../machine/state-file.ts';
import { listShards } from './admin.ts';
import { findState } from './archive.ts';
import { namesOrNone } from './census.ts';
import type { HistoryFiles } from './history.ts';
import { inOrder, lastSteps, listStatuses, statusOf, type InstanceName } from './instances.ts';
import type { Layout } from './layout.ts';
import { placeOf } from './overview.ts';

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
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareCodePoints(names[middle]!.instance, after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
