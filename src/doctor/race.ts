/** Race probe: several processes, through all mounts, link their own file to the same name at the same moment. */
import { readText } from '../volume/atomic-files.ts';
import type { Measured, Race } from './measured.ts';
import type { LinkAttempt, Bench } from './ports.ts';

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
const START_DELAY_MS = 25;

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
    const start = clock.monotonic() + START_DELAY_MS;
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
