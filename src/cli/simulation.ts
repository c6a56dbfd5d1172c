/** Runs the simulations of `flockwork simulate`: one seed, or many on all cores. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { problemsOf } from '../engine/validate.ts';
import { UserError } from '../machine/errors.ts';
import { addTotals, noTotals, runSeed, type SeedWork, type Totals } from '../sim/campaign.ts';
import type { RecordOptions, RunOutcome } from '../sim/outcome.ts';
import { checkSimulated, type OwnWork } from '../sim/own-work.ts';
import type { Wishes } from '../sim/scenario.ts';
import { shrink } from '../sim/shrink.ts';
import { readCandidates } from './candidates.ts';
import { EXIT, FOUND, type Io } from './command.ts';
import { loadMachines } from './machines.ts';
import type { Settings } from './options.ts';

const MAX_RANDOM_BASE = 1e9;
const HOUR_MS = 3_600_000;
/** Between lines of progress without a terminal. */
const PROGRESS_INTERVAL_MS = 30_000;

/** For a thread. */
export interface SimulationTask extends Pick<SeedWork, 'engine' | 'wishes'> {
  readonly base: number;
  readonly seeds: number;
  readonly machines: readonly string[];
  readonly paths: readonly string[];
  /** Shared by all threads: [runs begun, 1 to stop]. */
  readonly shared: SharedArrayBuffer;
}

/** Of a thread. */
export type SimulationReport =
  | { readonly kind: 'totals'; readonly totals: Totals }
  | { readonly kind: 'failure'; readonly outcome: RunOutcome };

/** Resolves to the exit status. */
export async function runSimulation(
  settings: Settings,
  paths: readonly string[],
  io: Io,
): Promise<number> {
  const own = await loadOwn(settings.machines, paths);
  const work = { engine: settings.engine, wishes: wishesOf(settings), ...(own && { own }) };
  if (settings.seed !== undefined) return replay(settings.seed, work, settings, io);
  const found = await campaign(settings, paths, io);
  if (found === undefined) return EXIT.done;
  return settings.shrink ? replay(found.seed, work, settings, io) : exitOf(found);
}

const exitOf = ({ verdict }: RunOutcome): number => (verdict === 'ok' ? EXIT.done : FOUND[verdict]);

function wishesOf({ workers, states, minutes }: Settings): Wishes {
  return {
    ...(workers !== undefined && { workers }),
    ...(states !== undefined && { states }),
    ...(minutes !== undefined && { minutes }),
  };
}

/** Runs one seed; with `--shrink`, shrinks it if it fails. */
async function replay(seed: string, work: SeedWork, settings: Settings, io: Io): Promise<number> {
  const run = (options?: RecordOptions): Promise<RunOutcome> => runSeed(seed, work, options);
  let outcome = await run();
  let only: ReadonlySet<string> | undefined;
  if (settings.shrink && outcome.verdict !== 'ok') {
    const shrunk = await shrink(run, outcome, (left) =>
      io.draw?.(`shrinking: ${left} faults left`),
    );
    io.draw?.('');
    outcome = shrunk.outcome;
    only = new Set(shrunk.only.map(({ id }) => id));
    io.say(`after ${shrunk.runs} runs, these faults are enough:`);
    for (const { id, what } of shrunk.only) io.say(`  ${id}: ${what}`);
  }
  const hash = await traced((trace) => run({ trace, ...(only && { only }) }), settings.trace);
  if (settings.json) io.print(JSON.stringify({ ...outcome, trace: hash }));
  else io.print(`${describeOutcome(outcome, settings)}\ntrace ${hash}`);
  return exitOf(outcome);
}

/** Runs with a trace, and returns the hash of the trace, which is reproducible. */
async function traced(
  run: (trace: (line: string) => void) => Promise<unknown>,
  file: string | undefined,
): Promise<string> {
  const hash = createHash('sha256');
  const fd = file === undefined ? undefined : openTrace(file);
  try {
    await run((line) => {
      hash.update(`${line}\n`);
      if (fd !== undefined) writeSync(fd, `${line}\n`);
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return hash.digest('hex').slice(0, 16);
}

function openTrace(file: string): number {
  try {
    return openSync(file, 'w');
  } catch (error) {
    throw new UserError('bad-trace', `cannot write --trace ${file}: ${(error as Error).message}`, {
      file,
    });
  }
}

const operationsOf = ({ engine }: Pick<Settings, 'engine'>): string =>
  engine === 'volume' ? 'file operations' : 'calls';

function describeOutcome(outcome: RunOutcome, settings: Settings): string {
  const seconds = (outcome.time / 1000).toFixed(1);
  const sums = `${outcome.commits} commits, ${outcome.operations} ${operationsOf(settings)} in ${seconds} virtual seconds`;
  const faults = Object.entries(outcome.faults).map(([kind, count]) => `${count} × ${kind}`);
  return [
    `seed ${outcome.seed}: ${outcome.verdict}${outcome.message && `, ${outcome.message}`}`,
    `  ${sums}`,
    `  faults: ${faults.join(', ') || 'none'}`,
  ].join('\n');
}

/** Runs many seeds on all cores. Resolves to the first failure, or undefined. */
async function campaign(
  settings: Settings,
  paths: readonly string[],
  io: Io,
): Promise<RunOutcome | undefined> {
  const base = settings.base ?? Math.floor(Math.random() * MAX_RANDOM_BASE);
  const { seeds } = settings;
  const totals = noTotals();
  const began = performance.now();
  let found: RunOutcome | undefined;
  let said = began;
  if (!settings.json) io.say(`seeds ${base} to ${base + seeds - 1}`);
  const shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  const enough = (): void => void Atomics.store(new Int32Array(shared), 1, 1);
  io.stop.addEventListener('abort', enough, { once: true });
  const task: SimulationTask = {
    base,
    seeds,
    engine: settings.engine,
    wishes: wishesOf(settings),
    machines: settings.machines,
    paths,
    shared,
  };
  const onReport = (report: SimulationReport): void => {
    if (report.kind === 'failure') found ??= report.outcome;
    else addTotals(totals, report.totals);
    const now = performance.now();
    const text = describeProgress(totals, seeds, now - began);
    io.draw?.(text);
    if (io.draw === undefined && !settings.json && now - said > PROGRESS_INTERVAL_MS) {
      io.say(text);
      said = now;
    }
  };
  const threads = Math.min(availableParallelism(), seeds);
  await Promise.all(Array.from({ length: threads }, () => runThread(task, onReport)));
  io.stop.removeEventListener('abort', enough);
  io.draw?.('');
  const seconds = (performance.now() - began) / 1000;
  if (settings.json) io.print(JSON.stringify({ base, seconds, ...totals, found: found ?? null }));
  else {
    io.print(describeTotals(totals, seconds, settings));
    if (found !== undefined) {
      io.print(describeOutcome(found, settings));
      const engine = settings.engine === 'volume' ? '' : ` --engine ${settings.engine}`;
      io.print(
        `run it again: flockwork simulate${engine} --seed ${found.seed} --shrink --trace run.log`,
      );
    }
  }
  return found;
}

function runThread(
  task: SimulationTask,
  onReport: (report: SimulationReport) => void,
): Promise<void> {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const thread = new Worker(new URL(`../cli/simulate-thread${extension}`, import.meta.url), {
    workerData: task,
  });
  return new Promise((resolve, reject) => {
    thread.on('message', onReport);
    thread.once('error', reject);
    thread.once('exit', () => resolve());
  });
}

function describeProgress(totals: Totals, seeds: number, ms: number): string {
  const rate = (totals.runs * 1000) / ms;
  const left = Math.round((seeds - totals.runs) / Math.max(rate, 1e-9));
  const hours = (totals.time / HOUR_MS).toFixed(1);
  return `${totals.runs}/${seeds} runs, ${rate.toFixed(0)}/s, ${left} s left; ${hours} virtual hours, nothing found`;
}

function describeTotals(totals: Totals, seconds: number, settings: Settings): string {
  const faults = Object.entries(totals.faults).toSorted(([, a], [, b]) => b - a);
  return [
    `${totals.runs} runs in ${seconds.toFixed(0)} s: ${(totals.time / HOUR_MS).toFixed(1)} virtual hours, ` +
      `${totals.operations} ${operationsOf(settings)}, ${totals.ticks} ticks, ${totals.commits} commits`,
    `faults: ${faults.map(([kind, count]) => `${count} × ${kind}`).join(', ')}`,
  ].join('\n');
}

/**
 * The user's own machines and state files. Undefined without paths and machines: the simulator uses its own. Throws `usage` for machines without state files,
 * `not-simulated` for commands, which do not run in virtual time, and `bad-state`.
 */
export async function loadOwn(
  machines: readonly string[],
  paths: readonly string[],
): Promise<OwnWork | undefined> {
  if (paths.length === 0 && machines.length === 0) return undefined;
  if (paths.length === 0) {
    throw new UserError(
      'usage',
      'cannot simulate machines without state files; name them: simulate --machines DIR PATHS…',
    );
  }
  const registry = await loadMachines(machines);
  checkSimulated(registry);
  const candidates = readCandidates(paths);
  const problems = problemsOf(candidates);
  if (problems.length > 0) throw new UserError('bad-state', problems.join('\n'));
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return {
    registry,
    stateFiles: new Map(candidates.map(({ name, bytes }) => [name, text(bytes)])),
  };
}
