/** Results of finished instances, from the records in `done/` and in the archive. */
import type { Json } from '../machine/definition.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { parseToken } from './token.ts';
import { isDone, readDoneFlag } from './archive.ts';
import { entriesInOrder, type HistoryFiles } from './history.ts';
import { inOrder, lastSteps, type InstanceName } from './instances.ts';
import type { Layout } from './layout.ts';
import { listShards } from './admin.ts';
import { placeOf } from './overview.ts';

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
