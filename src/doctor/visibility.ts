/** Measures how long a change of one process stays invisible to another one that has read the old state. */
import type { Files } from '../volume/files.ts';
import { VISIBILITY_CHECKS, type VisibilityCheck, type Visibility } from './measured.ts';
import type { Bench, Peer } from './ports.ts';

/** sshfs caches a listing for 20 s by default. */
const MAX_DELAY_MS = 25_000;
const MAX_PROBE_MS = 28_000;
const MAX_ROUNDS = 8;
/** Time for the other process to start polling. */
const START_DELAY_MS = 15;

const OLD_CONTENT = '0';
const NEW_CONTENT = '1';

/** Makes the change that each check polls for. */
const MAKE_CHANGE: Readonly<
  Record<VisibilityCheck, (files: Files, path: string) => Promise<void>>
> = {
  listing: (files, path) => files.create(path, NEW_CONTENT),
  stat: (files, path) => files.create(path, NEW_CONTENT),
  content: (files, path) => files.overwrite(path, NEW_CONTENT),
};

interface Way {
  /** Places of the process that makes the change and of the one that polls for it. */
  readonly from: string;
  readonly to: string;
}

/** Between the volume's mount and each other one, in both directions; with one mount, between processes on it. */
function waysBetween([own = '', ...others]: readonly string[]): Way[] {
  if (others.length === 0) return [{ from: own, to: own }];
  return others.flatMap((other) => [
    { from: own, to: other },
    { from: other, to: own },
  ]);
}

/** One directory per check and direction: a mount that changes a directory has no stale listing of it. */
const folderOf = (by: VisibilityCheck, way: number): string => `seen-${by}-${way}`;

/** Must be visible through all mounts before `probeVisibility`. */
export function visibilityFolders(places: readonly string[]): string[] {
  return waysBetween(places).flatMap((_, way) => VISIBILITY_CHECKS.map((by) => folderOf(by, way)));
}

export async function probeVisibility(bench: Bench): Promise<Visibility> {
  const { clock, places, peers, stop } = bench;
  const longest: Record<VisibilityCheck, number> = { listing: 0, stat: 0, content: 0 };
  const until = clock.monotonic() + MAX_PROBE_MS;
  let rounds = 0;
  // One round in any case; more while there is time for the longest delay so far.
  const isTime = (): boolean => clock.monotonic() + Math.max(...Object.values(longest)) < until;
  for (; rounds < MAX_ROUNDS && (rounds === 0 || isTime()); rounds += 1) {
    stop.throwIfAborted();
    // Listings, attributes and contents have separate caches; they are polled concurrently, because each may take long.
    const posts = waysBetween(places).flatMap((way, index) =>
      VISIBILITY_CHECKS.map((by) => ({
        ...way,
        by,
        folder: folderOf(by, index),
        name: String(rounds),
      })),
    );
    const delays = await Promise.all(
      posts.map((post, index) => delay(bench, peers[index % peers.length]!, post)),
    );
    for (const [index, { by }] of posts.entries()) {
      longest[by] = Math.max(longest[by], delays[index]!);
    }
  }
  return { mounts: places.length, longest, limit: MAX_DELAY_MS, rounds };
}

interface Post extends Way {
  readonly by: VisibilityCheck;
  readonly folder: string;
  readonly name: string;
}

/** Delay in ms; Infinity if the change was not visible within the limit. */
async function delay(
  { files, clock }: Bench,
  peer: Peer,
  { from, to, by, folder, name }: Post,
): Promise<number> {
  const made = `${from}/${folder}/${name}`;
  if (by === 'content') await files.create(made, OLD_CONTENT);
  const look = {
    kind: 'look',
    by,
    directory: `${to}/${folder}`,
    name,
    content: NEW_CONTENT,
  } as const;
  // A first look fills the caches with the old state.
  await peer.ask({ ...look, limit: 0 });
  const reply = peer.ask({ ...look, limit: MAX_DELAY_MS });
  // It may reject (a stopped peer) before it is awaited.
  reply.catch(() => undefined);
  await clock.sleep(START_DELAY_MS);
  await MAKE_CHANGE[by](files, made);
  const changed = clock.monotonic();
  const { seen } = await reply;
  return seen === undefined ? Number.POSITIVE_INFINITY : Math.max(0, seen - changed);
}
