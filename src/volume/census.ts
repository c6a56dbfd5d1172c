/** How many states there are of each kind, without holding more than the names in the root. */
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
  /** Of these, the ones whose next attempt is still to come; of so many tried ones as are looked at. */
  readonly delayed: number;
  readonly inProgress: number;
  /** For events; neither available nor done. */
  readonly waiting: number;
  /** On their way; not what was dropped and nobody understands. */
  readonly events: number;
  /** In `done/`. */
  readonly done: number;
  /** In `archive/`; those that are just being moved are in both. */
  readonly archived: number;
  /** `archived` is an estimate, from some of the shards. */
  readonly isArchiveSampled: boolean;
  readonly failed: number;
  /** Names of claimed and of failed states, and of some available and some waiting ones. */
  readonly names: {
    readonly available: readonly string[];
    readonly waiting: readonly string[];
    readonly inProgress: readonly string[];
    readonly failed: readonly string[];
  };
}

/** So many available states, waiting ones, and tried ones are looked at: enough to see, cheap to get. */
const LOOKED_AT = 2000;
/** Shards are counted until there are so many; the others have about as many each. */
const COUNTED = 20_000;

export async function takeCensus(
  files: HistoryFiles,
  layout: Layout,
  counted: number = COUNTED,
): Promise<Census> {
  // Claims first, as in `snapshot.ts`: a state that is settled meanwhile is seen twice rather than never.
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
    // done beats failed where both exist.
    if (!(await isDone(files, layout, name))) failed.push(name);
  }
  let waiting = 0;
  const someWaiting: string[] = [];
  for await (const name of namesOrNone(files, layout.flags('waiting'))) {
    if (!open.delete(name)) continue;
    waiting += 1;
    if (waiting <= LOOKED_AT) someWaiting.push(name);
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
    ...(await countArchived(files, layout, counted)),
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
    if (count === LOOKED_AT) return;
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
  let [delayed, looks] = [0, 0];
  for await (const name of namesOrNone(files, layout.internal('attempts'))) {
    if (!open.has(name)) continue;
    if ((await readTried(files, layout, name)).notBefore !== undefined) delayed += 1;
    looks += 1;
    if (looks === LOOKED_AT) break;
  }
  return delayed;
}

async function countArchived(
  files: HistoryFiles,
  layout: Layout,
  enough: number,
): Promise<Pick<Census, 'archived' | 'isArchiveSampled'>> {
  const shards: string[] = [];
  for await (const name of namesOrNone(files, layout.archive)) shards.push(name);
  let [counted, looked] = [0, 0];
  for (const shard of shards) {
    for await (const name of namesOrNone(files, `${layout.archive}/${shard}/done`)) {
      if (isStateName(name)) counted += 1;
    }
    looked += 1;
    if (counted >= enough) break;
  }
  const isSampled = looked < shards.length;
  const archived = isSampled ? Math.round((counted / looked) * shards.length) : counted;
  return { archived, isArchiveSampled: isSampled };
}
