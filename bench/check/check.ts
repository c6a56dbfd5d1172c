/**
 * `npm run bench -- --check`: compares Flockwork with the floors of the same work, by ratios of processor time, and these with
 * the ratios that are stored. Ratios, because machines differ; processor time, because other load changes it least.
 *
 * Problem: a slow-down of a quarter has to show within two minutes, on a machine with other load. Idea: the same processes do
 * all rounds, so that compilation is over in the later ones; Flockwork and the floor take turns; other load only adds to
 * the time of a round, so that the least of each counts, and what looks slower gets more rounds before it is believed.
 * Difficulty: a disk adds its own: files that were removed minutes ago make ext4 search for free inodes, and slow syncs make
 * commits smaller. Remedy: a file system in memory.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { timeCommand } from '../command-time.ts';
import { FlockworkRig, MACHINES, makeVolume } from '../flockwork.ts';
import { FloorRig } from '../floor.ts';
import { watchLoad } from '../foreign.ts';
import type { JobKind, Rig, Site } from '../model.ts';
import { pause, run } from '../processes.ts';
import { exactCpuOf, untilQuiet } from '../usage.ts';
import { changeOf, limitOf, ratioOf, type RoundPair, type Stored } from './ratios.ts';

const STORED = join(import.meta.dirname, '../check.json');
const CONCURRENCY = 50;
const PROCESSES = 2;
const STATES = 10_000;
/** While functions are compiled, a state costs more. */
const WARM_UP_STATES = 40_000;
const STEPS_PER_CHAIN = 5;
const SUBMITTED = 10_000;
/** Of each command in a round: their times are in ticks of 10 ms. */
const STARTS = 5;
/** So often the rounds of one that looks slower are measured. */
const MAX_BATCHES = 4;
/** In which every worker notices that the volume is paused. */
const TWO_CYCLES = 1000;
type StateKind = JobKind & ('noop' | 'chain');
const KINDS: readonly (readonly [string, StateKind])[] = [
  ['drain', 'noop'],
  ['chains', 'chain'],
];
const PEER_SUBMIT = join(import.meta.dirname, '../peers/submit-floor.ts');

interface Checking {
  readonly directory: string;
  readonly say: (text: string) => void;
  /** Where the ratios are stored, instead of being compared; undefined: compare. */
  readonly store: string | undefined;
  /** Whatever its processor is called, this machine may differ. */
  readonly elsewhere: boolean;
}

/** One ratio, and the rounds that it follows from. */
interface Gauge {
  readonly name: string;
  /** At a time. */
  readonly rounds: number;
  readonly once: () => Promise<RoundPair>;
}

/** False if it is slower. */
export async function check(checking: Checking): Promise<boolean> {
  const { directory, say, store, elsewhere } = checking;
  const processor = elsewhere ? 'another' : (cpus()[0]?.model ?? 'unknown');
  const stored =
    store === undefined ? (JSON.parse(readFileSync(STORED, 'utf8')) as Stored) : undefined;
  const measuring = { stored, processor, say };
  const site = (): Site => {
    const place = mkdtempSync(join(directory, 'check-'));
    return { directory: place, stamps: join(place, 'stamps') };
  };
  const results = [
    await read({ name: 'start', rounds: 3, once: () => timeStart(site) }, measuring),
    await read({ name: 'submit', rounds: 3, once: () => timeSubmit(site) }, measuring),
  ];
  for (const [name, kind] of KINDS) {
    const place = site();
    // With fsyncs, the file system would decide how many states go into one commit.
    await using workers = new FlockworkRig(place, ['--no-fsync']);
    await using floor = new FloorRig(site(), PROCESSES, false);
    await workers.start(CONCURRENCY);
    await floor.start();
    const turns = new Turns(kind, place, workers, floor);
    await turns.run(WARM_UP_STATES);
    results.push(await read({ name, rounds: 5, once: () => turns.run(STATES) }, measuring));
  }
  if (store !== undefined) {
    const ratios = Object.fromEntries(results.map(({ name, ratio }) => [name, ratio]));
    writeFileSync(store, `${JSON.stringify({ processor, ratios } satisfies Stored, null, 2)}\n`);
  }
  const isOk = results.every(({ isSlower }) => !isSlower);
  if (!isOk) say('Slower. If this is meant: npm run bench -- --check --json bench/check.json');
  return isOk;
}

interface Measuring {
  /** Undefined: nothing to compare with. */
  readonly stored: Stored | undefined;
  readonly processor: string;
  readonly say: (text: string) => void;
}

interface Result {
  readonly name: string;
  readonly ratio: number;
  readonly isSlower: boolean;
}

/** Measures until it is not slower, or `MAX_BATCHES` times; what is to be stored, twice. */
async function read(
  { name, rounds, once }: Gauge,
  { stored, processor, say }: Measuring,
): Promise<Result> {
  const pairs: RoundPair[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (let batch = 1; ; batch += 1) {
    const endSpan = watchLoad();
    for (let round = 0; round < rounds; round += 1) pairs.push(await once());
    const { foreign } = endSpan();
    least = Math.min(least, foreign);
    const ratio = ratioOf(pairs);
    const texts = pairs.map(
      ({ flockwork, floor }) => `${flockwork.toFixed(1)}/${floor.toFixed(1)}`,
    );
    const rest = `${texts.join(' ')}; foreign load ${foreign.toFixed(2)} cores`;
    if (stored === undefined) {
      say(`${name}: ${ratio.toFixed(3)}; ${rest}`);
      if (batch === 2) return { name, ratio, isSlower: false };
      continue;
    }
    const change = changeOf(name, ratio, stored);
    const limit = limitOf(stored, processor, least);
    say(
      `${name}: ${ratio.toFixed(3)}, ${change.toFixed(3)}× the stored one (at most ${limit}×); ${rest}`,
    );
    const isSlower = change > limit;
    if (!isSlower || batch === MAX_BATCHES) return { name, ratio, isSlower };
  }
}

/** Rounds on workers that go on running. */
class Turns {
  readonly #kind: StateKind;
  readonly #place: Site;
  readonly #workers: FlockworkRig;
  readonly #floor: FloorRig;
  /** Steps of all rounds. */
  #steps = 0;

  constructor(kind: StateKind, place: Site, workers: FlockworkRig, floor: FloorRig) {
    this.#kind = kind;
    this.#place = place;
    this.#workers = workers;
    this.#floor = floor;
  }

  /** Processor time of a step, µs. */
  async run(steps: number): Promise<RoundPair> {
    const kind = this.#kind;
    const perJob = kind === 'chain' ? STEPS_PER_CHAIN : 1;
    const job = { kind, ...(kind === 'chain' && { left: STEPS_PER_CHAIN }) };
    this.#workers.hold();
    await pause(TWO_CYCLES);
    await this.#workers.put(job, steps / perJob);
    await this.#floor.put(job, steps / perJob);
    await run('sync', ['-f', this.#place.directory]);
    await untilQuiet(2 * PROCESSES);
    this.#steps += steps;
    const flockwork = await this.#cpuOf(this.#workers);
    const floor = await this.#cpuOf(this.#floor);
    return { flockwork: flockwork / steps, floor: floor / steps };
  }

  /** µs, of all steps of this round. */
  async #cpuOf(rig: Rig): Promise<number> {
    const before = exactCpuOf(rig.workerPids);
    await rig.release();
    await rig.finished(this.#steps);
    return (exactCpuOf(rig.workerPids) - before) * 1000;
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
