/** What the volume looks like, in the words of the split. Nothing changes while workers read it (I4). */
import { parseStateName } from '../machine/name.ts';
import type { RosterEntry, Task } from '../semaphore/assignment.ts';
import { compareCodePoints } from '../semaphore/order.ts';
import { readTried } from './attempts.ts';
import type { Snapshot } from './contract.ts';
import { listOrNone, readText } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { Pauses } from './pauses.ts';
import { parseToken } from './token.ts';

interface Known {
  readonly mtime: number | undefined;
  /** On our monotonic clock: when this mtime was first seen. */
  readonly since: number;
  /** Of a listing made when it had been so for long enough. */
  readonly names: readonly string[] | undefined;
}

/** Listings, made again only when the directory has changed: history costs nothing while it rests. */
export class Listings {
  readonly #files: Files;
  readonly #settled: number;
  readonly #monotonic: () => number;
  readonly #known = new Map<string, Known>();

  /**
   * `settled`: a directory whose mtime has been seen to stay for so many ms has not changed unseen, neither
   * within a coarse time stamp nor behind a cache. By our own clock: the stamps may be from any other (I8).
   */
  constructor(files: Files, settled: number, monotonic: () => number) {
    this.#files = files;
    this.#settled = settled;
    this.#monotonic = monotonic;
  }

  async list(directory: string): Promise<readonly string[]> {
    const now = this.#monotonic();
    const mtime = (await this.#files.stat(directory))?.mtime;
    const before = this.#known.get(directory);
    const known = before?.mtime === mtime ? before : undefined;
    if (known?.names !== undefined) return known.names;
    const since = known?.since ?? now;
    const names = await listOrNone(this.#files, directory);
    const isSettled = mtime !== undefined && now - since >= this.#settled;
    this.#known.set(directory, { mtime, since, names: isSettled ? names : undefined });
    return names;
  }
}

/** Available: in the directory, and with no flag that says otherwise. */
function availableStates(
  root: readonly string[],
  ...flags: (readonly string[])[]
): { name: string; instance: string }[] {
  const taken = new Set(flags.flat());
  const available: { name: string; instance: string }[] = [];
  for (const name of root) {
    if (taken.has(name)) continue;
    const parsed = parseStateName(name);
    if (parsed !== undefined) available.push({ name, instance: parsed.instance });
  }
  return available.sort((a, b) => compareCodePoints(a.name, b.name));
}

/** Foreign flags are usually empty: presence is what counts, and one state at a time what they get. */
export async function readRoster(files: Files, layout: Layout): Promise<RosterEntry[]> {
  const roster: RosterEntry[] = [];
  for (const name of await listOrNone(files, layout.flags('workers'))) {
    if (name.startsWith('.')) continue;
    const text = await readText(files, layout.flag('workers', name)).catch(() => '');
    if (text === undefined) continue;
    const token = parseToken(text);
    roster.push(
      token === undefined
        ? { session: name, name, concurrency: 1, capacity: 1 }
        : {
            session: token.session,
            name,
            concurrency: token.concurrency,
            capacity: token.capacity,
          },
    );
  }
  return roster;
}

export async function takeSnapshot(
  files: Files,
  layout: Layout,
  listings: Listings,
  pauses: Pauses,
  earliest: number | undefined,
): Promise<Snapshot & { attempted: Set<string> }> {
  const list = (directory: string): Promise<readonly string[]> => listings.list(directory);
  const paused = (await files.stat(layout.paused)) !== undefined;
  // Claims first: a claim is released only after its successor is published, so whoever sees no claim
  // sees that successor in the listing that follows.
  const inProgress = await listOrNone(files, layout.flags('in_progress'));
  const root = await list(layout.root);
  const [done, failed, waiting] = [
    await list(layout.flags('done')),
    await list(layout.flags('failed')),
    await list(layout.flags('waiting')),
  ];
  const attempted = new Set(await list(layout.internal('attempts')));
  const tasks: Task[] = [];
  let delayed = 0;
  for (const state of availableStates(root, inProgress, done, failed, waiting)) {
    const tried = attempted.has(state.name)
      ? await readTried(files, layout, state.name)
      : undefined;
    if (tried !== undefined && !pauses.isOver(state.name, tried, earliest)) delayed += 1;
    else tasks.push({ ...state, ...(tried && { refusedBy: tried.refusedBy }) });
  }
  pauses.keep(attempted);
  return {
    tasks,
    roster: await readRoster(files, layout),
    inProgress: inProgress.filter((name) => !name.startsWith('.')).length,
    delayed,
    paused,
    attempted,
  };
}
