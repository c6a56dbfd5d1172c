/** Measures what the protocol depends on: exclusive links, the delay until a name is visible, whose clock stamps files. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Host } from '../fleet.ts';
import { eventually, makeDirectory, type Stand } from './stand.ts';

const PROBE = join(import.meta.dirname, 'probe.ts');
const RACE_ROUNDS = 400;
const RACE_INTERVAL_MS = 10;
/** Half of them are listed, half of them stat'ed. */
const NAME_COUNT = 8;
/** Until both processes are ready; a late one begins at once. */
const START_DELAY_MS = 3000;

export interface Measured {
  readonly race: {
    readonly rounds: number;
    readonly twoWinners: number;
    readonly noWinner: number;
    readonly errors: readonly string[];
  };
  /** Milliseconds, the maximum of four. */
  readonly seenByListing: number;
  readonly seenByStat: number;
  readonly stampedBy: 'server' | 'client' | 'kernel';
  readonly wholeSeconds: boolean;
}

export async function measure(stand: Stand): Promise<Measured> {
  const dir = mkdtempSync(join(stand.root, 'measure-'));
  const [here, there] = [stand.hosts[0]!, stand.hosts.at(-1)!];
  try {
    const seen = await visibility(dir, here, there);
    return { race: await race(dir, here, there), ...seen, ...(await stamps(dir, stand)) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function probe<T>(
  host: Host,
  dir: string,
  mode: string,
  ...args: (string | number)[]
): Promise<T> {
  const path = join(host.root, basename(dir));
  const words = [PROBE, mode, path, String(host.ahead ?? 0), ...args.map(String)];
  const { status, stdout, stderr } = await host.launch(words).ended;
  if (status !== 0) throw new Error(`probe ${mode} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

async function race(dir: string, here: Host, there: Host): Promise<Measured['race']> {
  const start = Date.now() + START_DELAY_MS;
  const run = (host: Host, who: string): Promise<{ won: number[]; errors: object }> =>
    probe(host, dir, 'race', who, RACE_ROUNDS, start, RACE_INTERVAL_MS);
  const [one, other] = await Promise.all([run(here, 'one'), run(there, 'other')]);
  const both = one.won.filter((round) => other.won.includes(round)).length;
  return {
    rounds: RACE_ROUNDS,
    twoWinners: both,
    noWinner: RACE_ROUNDS - (one.won.length + other.won.length - both),
    errors: [...new Set([...Object.keys(one.errors), ...Object.keys(other.errors)])].sort(),
  };
}

async function visibility(
  dir: string,
  here: Host,
  there: Host,
): Promise<{ seenByListing: number; seenByStat: number }> {
  for (let index = 0; index < NAME_COUNT; index += 1) makeDirectory(dir, `d${index}`);
  const watching = probe<number[]>(there, dir, 'watch', NAME_COUNT);
  await Promise.race([
    watching,
    eventually('the watcher has listed all directories', () => {
      if (!existsSync(join(dir, 'watching'))) throw new Error('not yet');
    }),
  ]);
  const created = await probe<number[]>(here, dir, 'create', NAME_COUNT, Date.now(), 100);
  const delays = (await watching).map((seen, index) => Math.max(0, seen - created[index]!));
  const longest = (rest: number): number =>
    Math.round(Math.max(...delays.filter((_, index) => index % 2 === rest)));
  return { seenByListing: longest(0), seenByStat: longest(1) };
}

async function stamps(
  dir: string,
  stand: Stand,
): Promise<Pick<Measured, 'stampedBy' | 'wholeSeconds'>> {
  const take = (host: Host): Promise<{ off: number; whole: boolean }> => probe(host, dir, 'stamp');
  const { skewed } = stand;
  if (skewed === undefined) {
    const { whole } = await take(stand.hosts[0]!);
    return { stampedBy: 'kernel', wholeSeconds: whole };
  }
  const { off, whole } = await skewed.use(take);
  const client = Math.abs(off) > skewed.ahead / 2;
  return { stampedBy: client ? 'client' : 'server', wholeSeconds: whole };
}
