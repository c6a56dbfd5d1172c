/**
 * `npm run soak -- [--minutes 30] [--seed N]`: eight workers on chains that never end. Every two seconds one of
 * six is killed, stopped for longer than its lease, or restarted with a wrong clock. The other two run throughout
 * and must not use more memory and files in the end than at the beginning.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { skewedBy } from '../chaos.ts';
import { Fleet, type Running } from '../fleet.ts';
import { Chains } from './chains.ts';
import { Usage } from './usage.ts';

const MINUTE_MS = 60_000;
const LEASE_MS = 4000;
/** A cycle of two seconds: with sixteen chains some 15 steps per second, which two cores sustain. */
const PHASES = { assignment: 300, commitment: 300, update: 800, buffer: 200 };
const CYCLE_MS = 2000;
const CHAIN_COUNT = 16;
const VICTIMS = ['ant', 'bee', 'cat', 'dog', 'eel', 'fox'];
const KEEPERS = ['keeper-1', 'keeper-2'];
const SKEWS = ['+5s', '-5s', '-1000s', '+3600s'];
const FAULT_INTERVAL_MS = 2000;
const CHECK_INTERVAL_MS = 30_000;
const SAMPLE_INTERVAL_MS = 5000;
const FLAGS = [
  '--watch',
  '--machines',
  join(import.meta.dirname, 'machine.ts'),
  '--log-level',
  'warn',
  '--concurrency',
  '4',
  '--lease',
  `${LEASE_MS}ms`,
  ...Object.entries(PHASES).flatMap(([phase, ms]) => [`--${phase}`, `${ms}ms`]),
];

/** Clear leaks only: the resident set grows in steps, and is returned late. */
const MAX_GROWTH = { heap: 1.25, rss: 2, files: 8 };

type Victim =
  | { readonly state: 'running'; readonly process: Running }
  | { readonly state: 'stopped'; readonly process: Running; readonly since: number }
  | { readonly state: 'dead'; readonly since: number };

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  throw new Error('expected --minutes with a number above 0 and --seed with a whole number');
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
let interrupted: NodeJS.Signals | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => (interrupted = signal));
}

say(`seed ${seed}, ${minutes} minutes`);
const problems = await soak();
for (const problem of problems) say(`WRONG: ${problem}`);
say(problems.length === 0 ? 'soak: ok' : `soak: ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;

async function soak(): Promise<string[]> {
  await using fleet = new Fleet();
  const chains = new Chains(
    fleet,
    Array.from({ length: CHAIN_COUNT }, (_, index) => `chain-${index}`),
  );
  const random = generator(seed);
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  const keepers = KEEPERS.map((name) => fleet.worker(name, FLAGS));
  const usages = KEEPERS.map((name, index) => {
    const keeper = keepers[index]!;
    return new Usage(name, keeper.pid!, () => keeper.stdout);
  });
  const counts = { kills: 0, stops: 0, skews: 0 };
  const victims = new Map<string, Victim>(
    VICTIMS.map((name) => [name, { state: 'running', process: fleet.worker(name, FLAGS) }]),
  );
  const found: string[] = [];
  const due = { fault: FAULT_INTERVAL_MS, check: CHECK_INTERVAL_MS, sample: SAMPLE_INTERVAL_MS };
  let last = { at: 0, steps: 0 };

  const check = (): void => {
    found.push(...chains.follow(), ...chains.doubleCommits());
    chains.clear();
    const [now, { steps }] = [elapsed(), chains];
    const cycles = (now - last.at) / CYCLE_MS;
    const rate = ((steps - last.steps) / (now - last.at)) * 1000;
    const cost = usages.map((usage) => (usage.cpuSince() / cycles).toFixed(0)).join(' and ');
    const memory = usages.map((usage) => usage.trend('rss').last.toFixed(0)).join(' and ');
    say(
      `${(now / MINUTE_MS).toFixed(1)} min: ${steps} steps (${rate.toFixed(1)}/s, slowest chain ${chains.slowest}), ` +
        `${counts.kills} kills, ${counts.stops} stops, ${counts.skews} skews, ${found.length} wrong; ` +
        `keepers: ${cost} ms of processor a cycle, ${memory} MB`,
    );
    last = { at: now, steps };
  };

  while (elapsed() < minutes * MINUTE_MS && found.length === 0) {
    if (interrupted !== undefined) return [`ended by ${interrupted}`];
    await new Promise((wake) => setTimeout(wake, 100));
    if (elapsed() >= due.fault) {
      due.fault += FAULT_INTERVAL_MS;
      await injectFault(fleet, victims, random, counts);
    }
    if (elapsed() >= due.sample) {
      due.sample += SAMPLE_INTERVAL_MS;
      for (const usage of usages) usage.sample();
    }
    if (elapsed() >= due.check) {
      due.check += CHECK_INTERVAL_MS;
      check();
    }
  }
  const ending = await conclude(fleet, victims, keepers, chains, usages, check);
  return [...new Set([...found, ...ending])];
}

/** Brings back a worker that has been down for two leases; without one, kills or stops a running worker. */
async function injectFault(
  fleet: Fleet,
  victims: Map<string, Victim>,
  random: () => number,
  counts: { kills: number; stops: number; skews: number },
): Promise<void> {
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const now = performance.now();
  const down = [...victims].find(
    ([, one]) => one.state !== 'running' && now - one.since > 2 * LEASE_MS,
  );
  if (down !== undefined) {
    const [name, one] = down;
    if (one.state === 'stopped') {
      one.process.kill('SIGCONT');
      victims.set(name, { state: 'running', process: one.process });
    } else {
      const skew = random() < 0.5 ? {} : skewedBy(pick(SKEWS));
      if ('FAKETIME' in skew) counts.skews += 1;
      victims.set(name, { state: 'running', process: fleet.worker(name, FLAGS, skew) });
    }
    return;
  }
  const running = [...victims].filter(([, one]) => one.state === 'running');
  if (running.length === 0) return;
  const [name, one] = pick(running);
  if (one.state !== 'running') return;
  if (random() < 0.5) {
    counts.kills += 1;
    one.process.kill('SIGKILL');
    await one.process.ended;
    victims.set(name, { state: 'dead', since: now });
  } else {
    counts.stops += 1;
    one.process.kill('SIGSTOP');
    victims.set(name, { state: 'stopped', process: one.process, since: now });
  }
}

async function conclude(
  fleet: Fleet,
  victims: ReadonlyMap<string, Victim>,
  keepers: readonly Running[],
  chains: Chains,
  usages: readonly Usage[],
  check: () => void,
): Promise<string[]> {
  const stillThere = [...victims.values()].flatMap((one) =>
    one.state === 'dead' ? [] : [one.process],
  );
  for (const one of stillThere) one.kill('SIGCONT');
  const remaining = [...keepers, ...stillThere];
  await fleet.until(
    'all workers beat, and dead sessions are recovered',
    allBeat(fleet, remaining.length),
    MINUTE_MS,
  );
  check();
  const usage = usages.flatMap(judge);
  for (const worker of remaining) worker.kill('SIGTERM');
  const ended = await Promise.all(remaining.map((worker) => worker.ended));
  const wrong = chains.follow();
  const lost = chains.lost();
  const double = chains.doubleCommits();
  if (chains.slowest < chains.steps / CHAIN_COUNT / 3)
    lost.push('a chain has done less than a third of the mean');
  say(`${chains.steps} steps, ${double.length} double commits, ${lost.length} lost`);
  return [
    ...usage,
    ...wrong,
    ...double,
    ...lost,
    ...ended
      .filter(({ status }) => status !== 0)
      .map(({ status, stderr }) => `a worker ended with ${status}: ${stderr.slice(-500)}`),
    ...['in_progress', 'workers', '.flockwork/leases', '.flockwork/staging'].flatMap((place) =>
      fleet.list(place).map((name) => `${place}/${name} is left`),
    ),
  ];
}

/** True as soon as all leases beat, and there is one for each running worker. A full worker is not registered. */
function allBeat(fleet: Fleet, remaining: number): () => boolean {
  const before = new Map<string, string>();
  const beats = (session: string): boolean => {
    const counter = fleet.read('.flockwork/leases', session);
    if (!before.has(session)) before.set(session, counter);
    return before.get(session) !== counter;
  };
  return () => {
    const leases = fleet.list('.flockwork/leases');
    try {
      return leases.filter(beats).length === remaining && leases.length === remaining;
    } catch {
      // One was removed meanwhile.
      return false;
    }
  };
}

function judge(usage: Usage): string[] {
  const of = ['heap', 'rss', 'files'] as const;
  const grows: string[] = [];
  for (const what of of) {
    const { first, last } = usage.trend(what);
    say(
      `${usage.name}: ${what} ${first.toFixed(1)} in the first quarter, ${last.toFixed(1)} in the last`,
    );
    const most = what === 'files' ? first + MAX_GROWTH.files : first * MAX_GROWTH[what];
    if (!(last <= most)) grows.push(`${usage.name}: ${what} grows`);
  }
  return grows;
}

/** Mulberry32: the same numbers for the same seed. */
function generator(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
