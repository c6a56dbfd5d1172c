/** Counts states of each kind. Memory: the names in the root. */
import { isDroppedName, subjectOfProblem } from '../machine/dropped.ts';
import { parseEventName } from '../machine/event.ts';
import { isStateName } from '../machine/name.ts';
import { isDone } from './archive.ts';
import { readTried } from './attempts.ts';
import { listOrNone } from './atomic-files.ts';
import { errnoOf } from './files.ts';
import type { HistoryFiles } from './history.ts';
import type { Layout } from './layout.ts';

export interface Census {
  readonly available: number;
  /** Of these, states whose next attempt is still to come, among the first `MAX_READ_STATES` that were tried. */
  readonly delayed: number;
  readonly inProgress: number;
  /** Waiting for events; neither available nor done. */
  readonly waiting: number;
  /** Pending events; not dropped files with a reported problem. */
  readonly events: number;
  /** In `done/`. */
  readonly done: number;
  /** In `archive/`; states that are being moved are in both. */
  readonly archived: number;
  /** `archived` is an estimate from some of the shards. */
  readonly isArchiveSampled: boolean;
  readonly failed: number;
  /** All claimed and failed states, and up to `MAX_READ_STATES` available and waiting ones. */
  readonly names: {
    readonly available: readonly string[];
    readonly waiting: readonly string[];
    readonly inProgress: readonly string[];
    readonly failed: readonly string[];
  };
}

/** Available, waiting and tried states that are named, or read. */
const MAX_READ_STATES = 2000;
/** Shards are counted up to this sum; the others have about as many each. */
const SAMPLED_FLAGS = 20_000;

export async function takeCensus(
  files: HistoryFiles,
  layout: Layout,
  sampledFlags: number = SAMPLED_FLAGS,
): Promise<Census> {
  // Claims first, as in `snapshot.ts`: a state that is settled meanwhile is counted twice rather than never.
  const inProgress = (await listOrNone(files, layout.flags('in_progress'))).filter(isStateName);
  const claimed = new Set(inProgress);
  const open = new Set<string>();
  for await (const name of files.names(layout.entries)) {
    if (isStateName(name) && !claimed.has(name)) open.add(name);
  }
  let done = 0;
  for await (const name of namesOrNone(files, layout.flags('done'))) {
    if (open.delete(name) || isStateName(name)) done += 1;
  }
  const failed: string[] = [];
  for (const name of (await listOrNone(files, layout.flags('failed'))).filter(isStateName)) {
    open.delete(name);
    // A state with both flags is done.
    if (!(await isDone(files, layout, name))) failed.push(name);
  }
  let waiting = 0;
  const someWaiting: string[] = [];
  for await (const name of namesOrNone(files, layout.flags('waiting'))) {
    if (!open.delete(name)) continue;
    waiting += 1;
    if (waiting <= MAX_READ_STATES) someWaiting.push(name);
  }
  let events = 0;
  for await (const name of namesOrNone(files, layout.events)) {
    if (parseEventName(name) !== undefined || isDroppedName(name)) events += 1;
    else if (subjectOfProblem(name) !== undefined) events -= 1;
  }
  return {
    available: open.size,
    delayed: await countDelayed(files, layout, open),
    inProgress: inProgress.length,
    waiting,
    events: Math.max(0, events),
    done,
    ...(await countArchived(files, layout, sampledFlags)),
    failed: failed.length,
    names: {
      available: [...firstOf(open)],
      waiting: someWaiting.sort(),
      inProgress,
      failed: failed.sort(),
    },
  };
}

function* firstOf(names: ReadonlySet<string>): Generator<string> {
  let count = 0;
  for (const name of names) {
    if (count === MAX_READ_STATES) return;
    count += 1;
    yield name;
  }
}

export async function* namesOrNone(files: HistoryFiles, directory: string): AsyncGenerator<string> {
  try {
    yield* files.names(directory);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
  }
}

async function countDelayed(
  files: HistoryFiles,
  layout: Layout,
  open: ReadonlySet<string>,
): Promise<number> {
  let [delayed, read] = [0, 0];
  for await (const name of namesOrNone(files, layout.internal('attempts'))) {
    if (!open.has(name)) continue;
    if ((await readTried(files, layout, name)).notBefore !== undefined) delayed += 1;
    read += 1;
    if (read === MAX_READ_STATES) break;
  }
  return delayed;
}

async function countArchived(
  files: HistoryFiles,
  layout: Layout,
  sampledFlags: number,
): Promise<Pick<Census, 'archived' | 'isArchiveSampled'>> {
  const shards: string[] = [];
  for await (const name of namesOrNone(files, layout.archive)) shards.push(name);
  let [counted, sampled] = [0, 0];
  for (const shard of shards) {
    for await (const name of namesOrNone(files, `${layout.archive}/${shard}/done`)) {
      if (isStateName(name)) counted += 1;
    }
    sampled += 1;
    if (counted >= sampledFlags) break;
  }
  const isSampled = sampled < shards.length;
  const archived = isSampled ? Math.round((counted / sampled) * shards.length) : counted;
  return { archived, isArchiveSampled: isSampled };
}
