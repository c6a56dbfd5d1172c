/** Measures what the protocol rests on: exclusive links, how soon a name is seen, whose clock stamps files. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Host } from '../fleet.ts';
import { eventually, makeDirectory, type Stand } from './stand.ts';

const PROBE = join(import.meta.dirname, 'probe.ts');
const ROUNDS = 400;
const RACE_INTERVAL = 10;
/** Half of them listed, half of them asked for. */
const NAMES = 8;
/** Long enough for both processes to be ready; who is late goes on at once. */
const AHEAD_OF_START = 3000;

export interface Measured {
  readonly race: {
    readonly rounds: number;
    readonly twoWinners: number;
    readonly noWinner: number;
    readonly errors: readonly string[];
  };
  /** Milliseconds, the longest of a few. */
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
  const start = Date.now() + AHEAD_OF_START;
  const run = (host: Host, who: string): Promise<{ won: number[]; errors: object }> =>
    probe(host, dir, 'race', who, ROUNDS, start, RACE_INTERVAL);
  const [one, other] = await Promise.all([run(here, 'one'), run(there, 'other')]);
  const both = one.won.filter((round) => other.won.includes(round)).length;
  return {
    rounds: ROUNDS,
    twoWinners: both,
    noWinner: ROUNDS - (one.won.length + other.won.length - both),
    errors: [...new Set([...Object.keys(one.errors), ...Object.keys(other.errors)])].sort(),
  };
}

async function visibility(
  dir: string,
  here: Host,
  there: Host,
): Promise<{ seenByListing: number; seenByStat: number }> {
  for (let index = 0; index < NAMES; index += 1) makeDirectory(dir, `d${index}`);
  const watching = probe<number[]>(there, dir, 'watch', NAMES);
  await Promise.race([
    watching,
    eventually('the watcher has looked', () => {
      if (!existsSync(join(dir, 'watching'))) throw new Error('not yet');
    }),
  ]);
  const created = await probe<number[]>(here, dir, 'create', NAMES, Date.now(), 100);
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
