/**
 * `npm run bench -- --check`: compares Flockwork with the floors of the same work, by ratios of processor time, and these with
 * the ratios that are stored. Ratios, because machines differ; processor time, because other load changes it least.
 *
 * Problem: a slow-down of a quarter has to show within two minutes, on a machine with other load. Idea: the same processes do
 * all rounds, so that compilation is mostly over before the first one counts; Flockwork and the floor take turns; other
 * load only adds to the time of a round, so that the least of each counts. Difficulty: a disk adds its own: files that were
 * removed minutes ago make ext4 search for free inodes, and slow syncs make commits smaller. Remedy: a file system in memory.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { timeCommand } from '../command-time.ts';
import { FlockworkRig, MACHINES, makeVolume } from '../flockwork.ts';
import { FloorRig } from '../floor.ts';
import { watchLoad } from '../foreign.ts';
import type { JobKind, Rig, Site } from '../model.ts';
import { pause, run } from '../processes.ts';
import { exactCpuOf, untilQuiet } from '../usage.ts';
import { compareRatios, ratioOf, type Ratios, type RoundPair } from './ratios.ts';

const STORED = join(import.meta.dirname, '../check.json');
const CONCURRENCY = 50;
const PROCESSES = 2;
/** They compile, and do not count. */
const WARM_UP_ROUNDS = 2;
const ROUNDS = 8;
const STATES = 5000;
const STEPS_PER_CHAIN = 5;
const SUBMITTED = 10_000;
const COMMAND_ROUNDS = 4;
/** Of each command in a round: their times are in ticks of 10 ms. */
const STARTS = 5;
/** In which every worker notices that the volume is paused. */
const TWO_CYCLES = 1000;
const PEER_SUBMIT = join(import.meta.dirname, '../peers/submit-floor.ts');

interface Checking {
  readonly directory: string;
  readonly say: (text: string) => void;
  /** Where the ratios are stored, instead of being compared; undefined: compare. */
  readonly store: string | undefined;
}

/** False if it is slower. */
export async function check({ directory, say, store }: Checking): Promise<boolean> {
  const endSpan = watchLoad();
  const ratios = await measureRatios(directory, say);
  say(`foreign load ${endSpan().foreign.toFixed(2)} cores`);
  if (store !== undefined) {
    writeFileSync(store, `${JSON.stringify(ratios, null, 2)}\n`);
    return true;
  }
  const compared = compareRatios(ratios, JSON.parse(readFileSync(STORED, 'utf8')) as Ratios);
  for (const { name, ratio, stored, change, isSlower } of compared) {
    const verdict = isSlower ? 'SLOWER' : 'ok';
    say(
      `${name.padEnd(10)} ${ratio.toFixed(3)}, stored ${stored.toFixed(3)}: ${change.toFixed(3)}× ${verdict}`,
    );
  }
  const isOk = !compared.some(({ isSlower }) => isSlower);
  if (!isOk)
    say(
      'If this is meant: npm run bench -- --check --json bench/check.json stores the new ratios.',
    );
  return isOk;
}

async function measureRatios(directory: string, say: (text: string) => void): Promise<Ratios> {
  const site = (): Site => {
    const place = mkdtempSync(join(directory, 'check-'));
    return { directory: place, stamps: join(place, 'stamps') };
  };
  const measure = async (
    name: string,
    rounds: number,
    once: () => Promise<RoundPair>,
  ): Promise<number> => {
    const pairs: RoundPair[] = [];
    for (let round = 0; round < rounds; round += 1) pairs.push(await once());
    const texts = pairs.map(
      ({ flockwork, floor }) => `${flockwork.toFixed(1)}/${floor.toFixed(1)}`,
    );
    say(`${name.padEnd(10)} ${texts.join(' ')}`);
    return ratioOf(pairs);
  };
  const start = await measure('start', COMMAND_ROUNDS, () => timeStart(site));
  const submit = await measure('submit', COMMAND_ROUNDS, () => timeSubmit(site));
  // The disk shall not decide how many states go into one commit.
  const place = site();
  await using workers = new FlockworkRig(place, ['--no-fsync']);
  await using floor = new FloorRig(site(), PROCESSES, false);
  await workers.start(CONCURRENCY);
  await floor.start();
  const drains = new Rounds(place, workers, floor);
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) {
    await drains.run('noop');
    await drains.run('chain');
  }
  const drain = await measure('drain', ROUNDS, () => drains.run('noop'));
  const chains = await measure('chains', ROUNDS, () => drains.run('chain'));
  return { start, submit, drain, chains };
}

/** Rounds on workers that go on running. */
class Rounds {
  readonly #place: Site;
  readonly #workers: FlockworkRig;
  readonly #floor: FloorRig;
  /** Steps of all rounds. */
  #steps = 0;

  constructor(place: Site, workers: FlockworkRig, floor: FloorRig) {
    this.#place = place;
    this.#workers = workers;
    this.#floor = floor;
  }

  /** Processor time of a step, µs. */
  async run(kind: JobKind & ('noop' | 'chain')): Promise<RoundPair> {
    const perJob = kind === 'chain' ? STEPS_PER_CHAIN : 1;
    const job = { kind, ...(kind === 'chain' && { left: STEPS_PER_CHAIN }) };
    this.#workers.hold();
    await pause(TWO_CYCLES);
    await this.#workers.put(job, STATES / perJob);
    await this.#floor.put(job, STATES / perJob);
    await run('sync', ['-f', this.#place.directory]);
    await untilQuiet(2 * PROCESSES);
    this.#steps += STATES;
    const flockwork = await this.#cpuOf(this.#workers);
    return { flockwork, floor: await this.#cpuOf(this.#floor) };
  }

  async #cpuOf(rig: Rig): Promise<number> {
    const before = exactCpuOf(rig.workerPids);
    await rig.release();
    await rig.finished(this.#steps);
    return ((exactCpuOf(rig.workerPids) - before) * 1000) / STATES;
  }
}

/** Processor time of `status` on an empty volume, and of a Node that does nothing, ms. */
async function timeStart(site: () => Site): Promise<RoundPair> {
  const volume = await makeVolume(join(site().directory, 'volume'));
  const repeat = async (args: readonly string[], program?: string): Promise<number> => {
    let sum = 0;
    for (let index = 0; index < STARTS; index += 1) sum += (await timeCommand(args, program)).cpuMs;
    return sum / STARTS;
  };
  return {
    flockwork: await repeat(['status', '--dir', volume]),
    floor: await repeat(['0'], '-e'),
  };
}

/** Processor time of submitting, and of creating the same files, µs a state. */
async function timeSubmit(site: () => Site): Promise<RoundPair> {
  const volume = await makeVolume(join(site().directory, 'volume'));
  const place = ['--dir', volume, '--machines', MACHINES];
  const what = ['--machine', 'noop', '--count', String(SUBMITTED)];
  const flockwork = await timeCommand(['submit', ...what, ...place]);
  const floor = await timeCommand([site().directory, String(SUBMITTED)], PEER_SUBMIT);
  const each = (cpuMs: number): number => (cpuMs * 1000) / SUBMITTED;
  return { flockwork: each(flockwork.cpuMs), floor: each(floor.cpuMs) };
}
