/**
 * The same chaos on every file system: workers on all its mounts are killed and come back under their
 * names, are stopped for longer than a lease, are lied to about the time; half of them are another user's, of
 * the same group. One survives, and everything has to be done, once.
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
} from '../chaos.ts';
import { Fleet, type Host, type Running } from '../fleet.ts';
import type { Pace, Stand } from './stand.ts';
import { asOther, shareWithGroup } from '../users.ts';

/** For what takes several cycles and leases, on a machine that others use too. */
export const PATIENCE = 240_000;
/** States that keep four workers busy for a while, at two ticks and four states each. */
const ENOUGH = 24;

export interface ChaosResult {
  readonly states: number;
  /** Of whom there are flags in `done/`. */
  readonly users: number;
  readonly kills: number;
  readonly stops: number;
  /** Milliseconds from each kill until no claim of that session was left. */
  readonly recoveries: readonly number[];
  /** Ticks whose result was dropped, because somebody else had committed. */
  readonly wasted: number;
}

const cycleOf = ({ assignment, commitment, update, buffer }: Pace): number =>
  assignment + commitment + update + 3 * buffer;

export const recoveryBound = (pace: Pace): number => pace.lease + 2 * cycleOf(pace);

/** Workers that go on until they are told to stop. */
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
  shareWithGroup(fleet.dir);
  const { rounds } = stand.chaos;
  const flags = workFlags(stand.pace);
  const chains: Chain[] = [...(stand.prepared?.chains ?? [])];
  const host = (index: number): Host => stand.hosts[index % stand.hosts.length]!;
  const other = (index: number): Host => asOther(host(index));
  const workers: Running[] = [
    fleet.worker('core', flags, {}, host(0)),
    fleet.worker('fast', flags, skewedBy('+5s'), other(1)),
  ];
  const sleeper = fleet.worker('sleeper', flags, {}, host(1));
  let victim = fleet.worker('victim', flags, {}, other(1));
  const recoveries: number[] = [];
  /** There has to be something to take away from whoever is killed. */
  const feed = (): void => {
    const open = expectedStates(chains).length - fleet.list('done').length;
    if (open > ENOUGH) return;
    const batch = chainsOf(chains.length, stand);
    submitChains(fleet.dir, batch);
    chains.push(...batch);
  };
  for (let round = 0; round < rounds; round += 1) {
    if (round === 1 && stand.repair !== undefined) say(stand.repair());
    const wakeUps = count(sleeper, 'starting a new session');
    // One after the other: workers may well take turns, and never hold something at the same moment.
    await fleet.until(
      'the victim holds something',
      () => (feed(), sessionAtWork(fleet, 'victim') !== undefined),
      PATIENCE,
    );
    const dead = sessionAtWork(fleet, 'victim');
    victim.kill('SIGKILL');
    const killed = performance.now();
    await victim.ended;
    const skew = round % 2 === 0 ? skewedBy('-1000s') : {};
    // By turns one user's, so that each finishes what the other has begun.
    victim = fleet.worker('victim', flags, skew, round % 2 === 0 ? host(round) : other(round));
    const buried = async (): Promise<void> => {
      if (dead === undefined) return;
      const gone = (): boolean => heldBy(fleet, { session: dead }).length === 0;
      await fleet.until('the claims of the dead are gone', gone, PATIENCE);
      recoveries.push(Math.round(performance.now() - killed));
    };
    const stopped = async (): Promise<void> => {
      const holding = (): boolean => (feed(), holds(fleet, 'sleeper'));
      await fleet.until('the sleeper holds something', holding, PATIENCE);
      sleeper.kill('SIGSTOP');
    };
    await Promise.all([buried(), stopped()]);
    if (round === 0 && stand.disturb !== undefined) say(await stand.disturb());
    await fleet.until(
      'the sleeper is taken for dead',
      () => !holds(fleet, 'sleeper') && leasesOf(fleet, 'sleeper').length === 0,
      PATIENCE,
    );
    sleeper.kill('SIGCONT');
    await fleet.until(
      'the sleeper starts anew',
      () => count(sleeper, 'starting a new session') > wakeUps,
      PATIENCE,
    );
    say(`round ${round + 1}: ${fleet.list('done').length} done`);
  }
  const expected = expectedStates(chains);
  await fleet.until(
    'all is done, and nothing is left of the dead',
    () =>
      fleet.list('done').length === expected.length &&
      fleet.list('in_progress').length === 0 &&
      ['core', 'fast', 'sleeper', 'victim'].every((name) => leasesOf(fleet, name).length === 1),
    PATIENCE,
  );
  const owners = new Set(
    fleet.list('done').map((name) => lstatSync(`${fleet.dir}/done/${name}`).uid),
  );
  assert.equal(owners.size, stand.knowsNoUsers === true ? 1 : 2, 'users who have done something');
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
  const badly = ended.filter(({ status }) => status !== 0);
  assert.deepEqual(
    badly.map(({ status, signal, stderr }) => ({ status, signal, stderr: stderr.slice(-2000) })),
    [],
  );
}

/** What is left behind the scenes when everybody has left. */
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

/** The session of this worker that holds something now. */
function sessionAtWork(fleet: Fleet, worker: string): string | undefined {
  return leasesOf(fleet, worker).find((session) => heldBy(fleet, { session }).length > 0);
}

const count = (process: Running, text: string): number => process.stderr.split(text).length - 1;
