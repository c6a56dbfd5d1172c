/** Probes that need several processes: of a race for a name, and of how soon one sees what another one changed. */
import { readText } from '../volume/atomic-files.ts';
import {
  VISIBILITY_CHECKS,
  type Measured,
  type Race,
  type VisibilityCheck,
  type Visibility,
} from './measured.ts';
import type { Bench } from './bench.ts';
import type { LinkAttempt, Peer } from './peer.ts';
import type { Files } from '../volume/files.ts';

/** Must be visible through all mounts before `probeRace`. */
export const RACE_FOLDER = 'race';

/** A broken network volume grants about one link in a hundred twice: detecting that takes many rounds. */
const RACE_ROUNDS = { local: 400, network: 1000 };
const BATCH_ROUNDS = 50;
/** A slow volume gets fewer rounds. */
const MAX_RACE_MS = 20_000;
const MIN_INTERVAL_MS = 3;
const MAX_INTERVAL_MS = 1500;
/** Time for a request to reach every process. */
const RACE_DELAY_MS = 25;

/** Several processes, through all mounts, link their own file to the same name at the same moment. */
export async function probeRace(bench: Bench, measured: Measured): Promise<Race> {
  const { files, clock, places, peers, stop } = bench;
  const planned = measured.fileSystem.network ? RACE_ROUNDS.network : RACE_ROUNDS.local;
  const racers = peers.map((peer, index) => ({
    peer,
    place: places[index % places.length]!,
    content: `racer ${index}`,
  }));

  const outcomes: LinkAttempt[][] = [];
  let overturned = 0;
  const until = clock.monotonic() + MAX_RACE_MS;
  const interval = intervalFor(measured);
  while (outcomes.length < planned && clock.monotonic() < until) {
    stop.throwIfAborted();
    const first = outcomes.length;
    const room = Math.max(1, Math.floor((until - clock.monotonic()) / interval));
    const rounds = Math.min(BATCH_ROUNDS, planned - first, room);
    // New tokens for each batch: some file systems allow a file few names.
    const tokens = racers.map(({ place }, index) => `${place}/token-${index}-${first}`);
    for (const [index, token] of tokens.entries()) {
      await files.create(token, racers[index]!.content);
    }
    const start = clock.monotonic() + RACE_DELAY_MS;
    const replies = await Promise.all(
      racers.map(({ peer, place, content }, index) =>
        peer.ask({
          kind: 'race',
          token: tokens[index]!,
          content,
          directory: `${place}/${RACE_FOLDER}`,
          first,
          rounds,
          start,
          interval,
        }),
      ),
    );
    for (let round = 0; round < rounds; round += 1) {
      const attempts = replies.map((reply) => reply.attempts![round]!);
      outcomes.push(attempts);
      const winner = attempts.findIndex(({ won }) => won);
      if (winner < 0) continue;
      // A missing name may be a stale cache; another racer's content is not.
      const there = await readText(files, `${places[0]}/${RACE_FOLDER}/${first + round}`);
      if (there !== undefined && there !== racers[winner]!.content) overturned += 1;
    }
  }
  return {
    processes: peers.length,
    mounts: places.length,
    planned,
    overturned,
    ...tally(outcomes),
  };
}

/** Usually longer than one round; a process that is late starts the next round at once. */
function intervalFor({ latency = [] }: Measured): number {
  const link = latency.find(({ operation }) => operation === 'link')?.median ?? 0;
  return Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, 4 * link));
}

type Tally = Pick<Race, 'rounds' | 'contested' | 'twoWinners' | 'noWinner' | 'refusals'>;

export function tally(outcomes: readonly (readonly LinkAttempt[])[]): Tally {
  const winners = outcomes.map((attempts) => attempts.filter(({ won }) => won).length);
  const refusals: Record<string, number> = {};
  for (const { won, errno } of outcomes.flat()) {
    if (!won && errno !== undefined) refusals[errno] = (refusals[errno] ?? 0) + 1;
  }
  return {
    rounds: outcomes.length,
    contested: outcomes.filter(isContested).length,
    twoWinners: winners.filter((count) => count > 1).length,
    noWinner: winners.filter((count) => count === 0).length,
    refusals,
  };
}

/** True if two attempts overlap in time. */
function isContested(attempts: readonly LinkAttempt[]): boolean {
  const inOrder = [...attempts].sort((a, b) => a.begin - b.begin);
  return inOrder.some(({ begin }, index) => index > 0 && begin < inOrder[index - 1]!.end);
}

/** sshfs caches a listing for 20 s by default. */
const MAX_DELAY_MS = 25_000;
const MAX_VISIBILITY_MS = 28_000;
const MAX_VISIBILITY_ROUNDS = 8;
/** Time for the other process to start polling. */
const POLL_DELAY_MS = 15;

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

/** Measures how long a change of one process stays invisible to another one that has read the old state. */
export async function probeVisibility(bench: Bench): Promise<Visibility> {
  const { clock, places, peers, stop } = bench;
  const longest: Record<VisibilityCheck, number> = { listing: 0, stat: 0, content: 0 };
  const until = clock.monotonic() + MAX_VISIBILITY_MS;
  let rounds = 0;
  // One round in any case; more while there is time for the longest delay so far.
  const isTime = (): boolean => clock.monotonic() + Math.max(...Object.values(longest)) < until;
  for (; rounds < MAX_VISIBILITY_ROUNDS && (rounds === 0 || isTime()); rounds += 1) {
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
  await clock.sleep(POLL_DELAY_MS);
  await MAKE_CHANGE[by](files, made);
  const changed = clock.monotonic();
  const { seen } = await reply;
  return seen === undefined ? Number.POSITIVE_INFINITY : Math.max(0, seen - changed);
}
