/** What the volume looks like, in the words of the split. Nothing changes while workers read it (I4). */
import { parseStateName } from '../machine/name.ts';
import type { RosterEntry } from '../semaphore/assignment.ts';
import { hash } from '../semaphore/hash.ts';
import { Ring } from '../semaphore/ring.ts';
import { readTried } from './attempts.ts';
import type { Glance, Snapshot } from './contract.ts';
import type { OpenStates } from './open-states.ts';
import { listOrNone, readText } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { Listings } from './listings.ts';
import type { Pauses } from './pauses.ts';
import { parseToken } from './token.ts';

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

export async function takeGlance(files: Files, layout: Layout): Promise<Glance> {
  const paused = (await files.stat(layout.paused)) !== undefined;
  return { roster: await readRoster(files, layout), paused };
}

/** What a snapshot is taken with. */
export interface Instruments {
  readonly files: Files;
  readonly layout: Layout;
  readonly listings: Listings;
  readonly openStates: OpenStates;
  readonly pauses: Pauses;
}

/** `earliest`: of the volume's time, ms. */
export async function takeSnapshot(
  { files, layout, listings, openStates, pauses }: Instruments,
  arrived: ReadonlySet<string> | undefined,
  glance: Glance | undefined,
  earliest: number | undefined,
): Promise<Snapshot & { attempted: Set<string> }> {
  const list = (directory: string): Promise<readonly string[]> => listings.list(directory);
  const { roster, paused } = glance ?? (await takeGlance(files, layout));
  // Claims first: a claim is released only after its successor is published, so whoever sees no claim
  // sees that successor in the listing that follows.
  const claimed = new Set(await listOrNone(files, layout.flags('in_progress')));
  const open = await openStates.open(arrived, claimed);
  const taken = new Set(claimed);
  for (const flag of ['failed', 'waiting'] as const) {
    for (const name of await list(layout.flags(flag))) taken.add(name);
  }
  const attempted = new Set(await list(layout.internal('attempts')));
  const names: string[] = [];
  const places: number[] = [];
  const refused = new Map<string, readonly string[]>();
  let delayed = 0;
  for (const name of open) {
    if (taken.has(name)) continue;
    if (attempted.has(name)) {
      const tried = await readTried(files, layout, name);
      if (!pauses.isOver(name, tried, earliest)) {
        delayed += 1;
        continue;
      }
      if (tried.refusedBy.length > 0) refused.set(name, tried.refusedBy);
    }
    names.push(name);
    places.push(hash(parseStateName(name)!.instance));
  }
  pauses.keep(attempted);
  return {
    tasks: Ring.from(names, Uint32Array.from(places), refused),
    roster,
    inProgress: [...claimed].filter((name) => !name.startsWith('.')).length,
    delayed,
    paused,
    attempted,
  };
}
