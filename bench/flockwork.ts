/** Flockwork itself: two `worker --watch` processes on a volume of their own, as a user starts them. */
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { openEngine } from '../src/index.ts';
import { formatStateFile } from '../src/machine/state-file.ts';
import { cycleLength } from '../src/volume/phases/cycle.ts';
import { parseVolumeFile } from '../src/volume/open.ts';
import { ROW_NAMES, WORKERS, type Job, type Rig, type Site, type System } from './model.ts';
import { Child, pause, run, until } from './processes.ts';

/** Additional flags for every measured worker, for experiments. */
const EXTRA_FLAGS: readonly string[] = [];

/** The shortest cycle in README.md. */
const SHORTEST_CYCLE = [
  '--assignment',
  '6ms',
  '--commitment',
  '6ms',
  '--update',
  '79ms',
  '--buffer',
  '3ms',
];

const ROOT = join(import.meta.dirname, '..');
const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  bin: { flockwork: string };
};
/** The built command line, which an installation runs. */
export const MAIN: string = join(ROOT, bin.flockwork);
export const MACHINES: string = join(import.meta.dirname, 'machines');
/** Minimum interval of looks for the end. */
const LOOK_INTERVAL_MS = 100;
/** Time without a change before a listing, which would slow down the workers. */
const UNCHANGED_MS = 1000;
const STUCK_AFTER_MS = 120_000;
/** ext4 allows 65,000 links to a file. */
const MAX_LINKS_PER_FILE = 60_000;

const stateText = ({ kind, ...payload }: Job | (Job & { milliseconds: number })): string =>
  formatStateFile({ state: kind, payload });

export class FlockworkRig implements Rig {
  readonly serverPids: readonly number[] = [];
  readonly volume: string;
  readonly #site: Site;
  readonly #flags: readonly string[];
  readonly #workers: Child[] = [];
  /** Calls of `put`. */
  #batches = 0;
  #dropped = 0;

  constructor(site: Site, flags: readonly string[]) {
    this.#site = site;
    this.#flags = flags;
    this.volume = join(site.directory, 'volume');
    mkdirSync(join(this.volume, '.flockwork'), { recursive: true });
    this.hold();
  }

  /** Pauses the volume: workers see it in their next cycle. */
  hold(): void {
    writeFileSync(this.#paused, '{}\n');
  }

  get #paused(): string {
    return join(this.volume, '.flockwork/paused');
  }

  get #first(): string {
    return join(this.#site.directory, 'first');
  }

  get workerPids(): readonly number[] {
    return this.#workers.map(({ pid }) => pid);
  }

  async start(concurrency: number, workers: number = WORKERS): Promise<void> {
    for (let index = 0; index < workers; index += 1) {
      const args = ['worker', '--watch', '--dir', this.volume, '--name', `bench-${index}`];
      const rest = [
        '--machines',
        MACHINES,
        '--concurrency',
        String(concurrency),
        '--log-level',
        'warn',
      ];
      const env = { BENCH_STAMPS: this.#site.stamps, BENCH_FIRST: this.#first };
      const all = [MAIN, ...args, ...rest, ...this.#flags, ...EXTRA_FLAGS];
      this.#workers.push(new Child(process.execPath, all, { env }));
    }
    await until('the workers are registered', () => {
      this.#assertAlive();
      return namesIn(join(this.volume, 'workers')).length === workers;
    });
  }

  #assertAlive(): void {
    for (const worker of this.#workers) worker.assertAlive();
  }

  async put(job: Job & { milliseconds?: number }, count: number): Promise<void> {
    const text = stateText(job);
    this.#batches += 1;
    const prefix = `${job.kind}-${this.#batches}`;
    for (let index = 0; index < count; index += 1) {
      writeFileSync(join(this.volume, `${prefix}-${index}.state`), text);
    }
  }

  /** Creates done states, as links to a few files: their content is not read. */
  async putDone(count: number): Promise<void> {
    const done = join(this.volume, 'done');
    mkdirSync(done, { recursive: true });
    const file = (what: string, index: number): string =>
      join(this.#site.directory, `${what}-${Math.floor(index / MAX_LINKS_PER_FILE)}`);
    for (let index = 0; index < count; index += 1) {
      if (index % MAX_LINKS_PER_FILE === 0) {
        writeFileSync(file('old', index), stateText({ kind: 'noop' }));
        writeFileSync(file('token', index), '{}\n');
      }
      linkSync(file('old', index), join(this.volume, `old-${index}.state`));
      linkSync(file('token', index), join(done, `old-${index}.state`));
    }
  }

  get cycle(): number {
    const volume = parseVolumeFile(
      readFileSync(join(this.volume, '.flockwork/volume.json'), 'utf8'),
    );
    return cycleLength(volume!.phases);
  }

  async release(): Promise<number> {
    const now = Date.now();
    unlinkSync(this.#paused);
    return now;
  }

  /**
   * The moment when all flags (or, with `of`, all of these) existed and the last claim was released, from the directories'
   * time stamps: listings would disturb the workers.
   */
  async finished(steps: number, of: 'done' | 'outcomes' = 'done'): Promise<number> {
    const stamp = (): number =>
      Math.max(...[of, 'in_progress'].map((directory) => this.#changedAt(directory)));
    const count = (): number => namesIn(join(this.volume, of)).length;
    for (let since = performance.now(), seen = 0; ;) {
      await pause(LOOK_INTERVAL_MS);
      this.#assertAlive();
      const last = stamp();
      const still = performance.now() - since;
      if (last !== seen) [since, seen] = [performance.now(), last];
      else if (still > STUCK_AFTER_MS)
        throw new Error(`nothing is done any more, ${count()} of ${steps} are`);
      else if (still > UNCHANGED_MS && count() >= steps && this.#held === 0) return last;
    }
  }

  /** 0 if it does not exist yet. */
  #changedAt(directory: string): number {
    return statSync(join(this.volume, directory), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }

  get #held(): number {
    return namesIn(join(this.volume, 'in_progress')).length;
  }

  async firstBegan(): Promise<number> {
    const lines = (): string[] => readLines(this.#first);
    await until(
      'a tick has begun',
      () => {
        this.#assertAlive();
        return lines().length > 0;
      },
      2,
    );
    return Math.min(...lines().map(Number));
  }

  async countDone(): Promise<number> {
    return namesIn(join(this.volume, 'done')).length;
  }

  async drop(job: Job): Promise<void> {
    const name = `drop-${(this.#dropped += 1)}.state`;
    const temporary = join(this.volume, `.${name}`);
    writeFileSync(temporary, stateText(job));
    renameSync(temporary, join(this.volume, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }
}

/** Makes the directory, and a volume of it; resolves with its path. */
export async function makeVolume(directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true });
  await (await openEngine(`volume:${directory}`)).close();
  return directory;
}

/** Empty if the directory does not exist yet. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}

async function prepare(
  ...flags: readonly string[]
): Promise<{ version: string } | { missing: string }> {
  const help = await run(process.execPath, [MAIN, 'worker', '--help']);
  if (flags.includes('--no-fsync') && !help.includes('fsync')) {
    return { missing: 'this version of `flockwork worker` has no --no-fsync' };
  }
  const version = await run(process.execPath, [MAIN, '--version']);
  return { version: version.trim() };
}

const WORK = 'concurrency 50 (10 where ticks take 50 ms), --log-level warn';

export const flockwork: System = {
  name: 'flockwork',
  title: 'Flockwork',
  settings: `2 workers, ${WORK}, the default cycle; every commit fsynced`,
  rows: ROW_NAMES.filter((name) => name !== 'pure'),
  prepare: () => prepare(),
  open: async (site) => new FlockworkRig(site, []),
};

/** The same with these flags. */
const variant = (
  name: string,
  title: string,
  flags: readonly string[],
  rows: System['rows'],
  note = '',
): System => ({
  name,
  title,
  settings: `the same with ${flags.join(' ')}${note}`,
  rows,
  prepare: () => prepare(...flags),
  open: async (site) => new FlockworkRig(site, flags),
});

export const flockworkNoFsync: System = variant(
  'flockwork-no-fsync',
  'Flockwork --no-fsync',
  ['--no-fsync'],
  ['drain', 'chains', 'sleep', 'events', 'million'],
  ': what the disk gets late, a power cut may lose',
);

const LATENCY = ['latency'] as const;

export const flockworkShortest: System = variant(
  'flockwork-shortest',
  'Flockwork, shortest cycle',
  SHORTEST_CYCLE,
  LATENCY,
);

export const flockworkEager: System = variant(
  'flockwork-eager',
  'Flockwork --eager',
  ['--eager'],
  LATENCY,
);
