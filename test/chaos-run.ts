/**
 * The chaos run, on every file system and on the local one: workers on all of its mounts are killed and restarted under
 * their names, stopped for longer than a lease, and run with wrong clocks; half of them belong to another user of the
 * same group, where this process may start such. One survives, and everything must be done, once.
 */
import { strict as assert } from 'node:assert';
import { lstatSync } from 'node:fs';
import {
  expectedStates,
  heldBy,
  problemsWith,
  skewedBy,
  submitChains,
  type Chain,
} from './chaos.ts';
import { Fleet, type Host, type Running } from './fleet.ts';
import type { Pace, Stand } from './fs/stand.ts';
import { asOther, canBeTwo, shareWithGroup } from './users.ts';

/** Timeout of steps that take several cycles and leases, on a busy machine. */
export const STEP_TIMEOUT_MS = 240_000;
/** Keeps four workers busy, at two ticks and four states each. */
const MIN_OPEN_STATES = 24;

export interface ChaosResult {
  readonly states: number;
  /** Number of owners of the flags in `done/`. */
  readonly users: number;
  readonly kills: number;
  readonly stops: number;
  /** Milliseconds from each kill until all claims of that session were released. */
  readonly recoveries: readonly number[];
  /** Ticks whose result was discarded, because another session had committed the state. */
  readonly wasted: number;
}

const cycleOf = ({ assignment, commitment, update, buffer }: Pace): number =>
  assignment + commitment + update + 3 * buffer;

export const recoveryBound = (pace: Pace): number => pace.lease + 2 * cycleOf(pace);

/** Options of workers that run until SIGTERM. */
export const workFlags = (pace: Pace, delay: string = '0.3'): string[] => [
  ...Object.entries(pace).flatMap(([name, ms]) => [`--${name}`, `${ms}ms`]),
  '--watch',
  '--example-delay',
  delay,
  '--concurrency',
  '2',
  '--capacity',
  '4',
];

export async function chaos(stand: Stand, say: (text: string) => void): Promise<ChaosResult> {
  await using fleet = new Fleet(stand.root, stand.prepared?.dir);
  if (canBeTwo) shareWithGroup(fleet.dir);
  const { rounds } = stand.chaos;
  const flags = workFlags(stand.pace);
  const chains: Chain[] = [...(stand.prepared?.chains ?? [])];
  const host = (index: number): Host => stand.hosts[index % stand.hosts.length]!;
  const other = (index: number): Host => (canBeTwo ? asOther(host(index)) : host(index));
  const workers: Running[] = [
    fleet.worker('core', flags, {}, host(0)),
    fleet.worker('fast', flags, skewedBy('+5s'), other(1)),
  ];
  const sleeper = fleet.worker('sleeper', flags, {}, host(1));
  let victim = fleet.worker('victim', flags, {}, other(1));
  const recoveries: number[] = [];
  /** Adds chains, so that the killed worker holds a state. */
  const feed = (): void => {
    const open = expectedStates(chains).length - fleet.list('done').length;
    if (open > MIN_OPEN_STATES) return;
    const batch = chainsOf(chains.length, stand);
    submitChains(fleet.dir, batch);
    chains.push(...batch);
  };
  for (let round = 0; round < rounds; round += 1) {
    if (round === 1 && stand.repair !== undefined) say(stand.repair());
    const wakeUps = count(sleeper, 'starting a new session');
    // One after the other: the two workers may never hold a state at the same time.
    await fleet.until(
      'the victim holds a state',
      () => (feed(), sessionAtWork(fleet, 'victim') !== undefined),
      STEP_TIMEOUT_MS,
    );
    const dead = sessionAtWork(fleet, 'victim');
    victim.kill('SIGKILL');
    const killed = performance.now();
    await victim.ended;
    const skew = round % 2 === 0 ? skewedBy('-1000s') : {};
    // In turn as either user, so that each finishes the work of the other.
    victim = fleet.worker('victim', flags, skew, round % 2 === 0 ? host(round) : other(round));
    const released = async (): Promise<void> => {
      if (dead === undefined) return;
      const gone = (): boolean => heldBy(fleet, { session: dead }).length === 0;
      await fleet.until('the claims of the killed session are released', gone, STEP_TIMEOUT_MS);
      recoveries.push(Math.round(performance.now() - killed));
    };
    const stopped = async (): Promise<void> => {
      const holding = (): boolean => (feed(), holds(fleet, 'sleeper'));
      await fleet.until('the sleeper holds a state', holding, STEP_TIMEOUT_MS);
      sleeper.kill('SIGSTOP');
    };
    await Promise.all([released(), stopped()]);
    if (round === 0 && stand.disturb !== undefined) say(await stand.disturb());
    await fleet.until(
      'the session of the sleeper is recovered',
      () => !holds(fleet, 'sleeper') && leasesOf(fleet, 'sleeper').length === 0,
      STEP_TIMEOUT_MS,
    );
    sleeper.kill('SIGCONT');
    await fleet.until(
      'the sleeper starts a new session',
      () => count(sleeper, 'starting a new session') > wakeUps,
      STEP_TIMEOUT_MS,
    );
    say(`round ${round + 1}: ${fleet.list('done').length} done`);
  }
  const expected = expectedStates(chains);
  await fleet.until(
    'all is done, and no traces of dead sessions are left',
    () =>
      fleet.list('done').length === expected.length &&
      fleet.list('in_progress').length === 0 &&
      ['core', 'fast', 'sleeper', 'victim'].every((name) => leasesOf(fleet, name).length === 1),
    STEP_TIMEOUT_MS,
  );
  const owners = new Set(
    fleet.list('done').map((name) => lstatSync(`${fleet.dir}/done/${name}`).uid),
  );
  const users = canBeTwo && stand.knowsNoUsers !== true ? 2 : 1;
  assert.equal(owners.size, users, 'users with done states');
  workers.push(sleeper, victim);
  await stopAll(workers);
  assert.deepEqual([...problemsWith(fleet, chains), ...tracesIn(fleet)], []);
  return {
    states: expected.length,
    users: owners.size,
    kills: recoveries.length,
    stops: rounds,
    recoveries,
    wasted: fleet.journal().filter((entry) => entry.result !== 'done').length,
  };
}

function chainsOf(first: number, stand: Stand): Chain[] {
  const { chains, count: length } = stand.chaos;
  return Array.from({ length: chains }, (_, index) => ({
    instance: `c${first + index}`,
    count: length,
  }));
}

export async function stopAll(workers: readonly Running[]): Promise<void> {
  for (const worker of workers) worker.kill('SIGTERM');
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  const failed = ended.filter(({ status }) => status !== 0);
  assert.deepEqual(
    failed.map(({ status, signal, stderr }) => ({ status, signal, stderr: stderr.slice(-2000) })),
    [],
  );
}

/** Session traces that are left after all workers have ended. */
export function tracesIn(fleet: Fleet): string[] {
  const places = [
    'workers',
    ...['leases', 'sessions', 'staging'].map((one) => `.flockwork/${one}`),
  ];
  return places.flatMap((place) => fleet.list(place).map((name) => `${place}/${name} is left`));
}

const holds = (fleet: Fleet, worker: string): boolean => heldBy(fleet, { worker }).length > 0;

const leasesOf = (fleet: Fleet, worker: string): string[] =>
  fleet.list('.flockwork/leases').filter((session) => session.startsWith(`${worker}.`));

/** The session of this worker that holds a state. */
function sessionAtWork(fleet: Fleet, worker: string): string | undefined {
  return leasesOf(fleet, worker).find((session) => heldBy(fleet, { session }).length > 0);
}

const count = (process: Running, text: string): number => process.stderr.split(text).length - 1;
