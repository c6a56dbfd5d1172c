/** The work of `flockwork worker`: one worker on each volume, and the ticks of all of them, in one thread or in many. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { realClock, realRandom } from '../api/node-ports.ts';
import { openVolumeEngine, type OpenedEngine } from '../api/open-volume.ts';
import type { Log } from '../engine/ports.ts';
import type { Registry } from '../machine/registry.ts';
import { logBlocked, startAutoThreads, type Threads } from '../worker/threads.ts';
import type { ConcurrencyLimit } from '../worker/concurrency-limit.ts';
import { createExecute } from '../worker/executor.ts';
import type { Execute, Summary, TickTask } from '../worker/ports.ts';
import { crashAsNode, StrayErrors } from '../worker/tick-errors.ts';
import { Worker } from '../worker/worker.ts';
import type { MachineFiles } from './machine-files.ts';
import { OPTIONS, environmentName, type Settings } from './options.ts';
import { askedPhases } from './settings.ts';

/** A volume that can be worked on. */
export interface PreparedVolume extends OpenedEngine {
  readonly log: Log;
}

/** What the workers of one process have in common. */
export interface WorkerConfig {
  readonly name: string;
  readonly machines: () => Registry;
  readonly settings: Settings;
  /** Of each: an equal part of the process's. */
  readonly concurrency: number;
  readonly capacity: number;
  readonly slots: ConcurrencyLimit;
  readonly execute: Execute;
  readonly stop: AbortSignal;
  /** See `WorkerPorts`. */
  readonly moreToCome: () => boolean;
}

/** Makes the directory a volume, if it is none yet. Throws what `openVolumeEngine` does. */
export async function prepare(
  directory: string,
  settings: Settings,
  log: Log,
): Promise<PreparedVolume> {
  const { lease, keep, fsync, assign, follow, eager, expect, gather } = settings;
  const opened = await openVolumeEngine(
    directory,
    {
      phases: askedPhases(settings),
      ...(lease !== undefined && { lease }),
      gathering: { expect, quietMs: gather },
      keep,
      keepOutcomesMs: settings['keep-outcomes'],
      fsync,
      assign,
      follow,
      eager,
    },
    log,
  );
  return { ...opened, log };
}

/** Until nothing is left, or `stop` aborts. Throws a `UserError` for what a user must change. */
export async function work(
  { engine, directory, log }: PreparedVolume,
  {
    name,
    machines,
    settings,
    concurrency,
    capacity,
    slots,
    execute,
    stop,
    moreToCome,
  }: WorkerConfig,
): Promise<Summary> {
  const worker = new Worker(
    engine,
    {
      clock: realClock,
      random: realRandom,
      execute,
      log,
      slots,
      machines,
      moreToCome,
      directory: resolve(directory),
    },
    {
      name,
      concurrency,
      capacity,
      stays: settings.watch,
      trustsStored: settings['trust-volume'],
      drainMs: settings.drain,
    },
  );
  const { end, ...counts } = await worker.run(stop);
  log.info(counts, end === 'empty' ? 'nothing left to do' : 'stopped');
  return { end, ...counts };
}

interface TickPorts {
  readonly log: Log;
  readonly print: (line: string) => void;
  readonly machineFiles: MachineFiles;
  /** Milliseconds. */
  readonly lease: number;
}

/** Pool size with `--threads auto`: ticks there may compute briefly and wait for long. */
const THREADS_PER_PROCESSOR = 4;
const MIN_AUTO_THREADS = 16;

/** Runs ticks in this thread, in a pool of threads, or (`--threads auto`) in a pool if they block. */
export async function startTicks(settings: Settings, ports: TickPorts): Promise<Threads> {
  const { threads, concurrency, machines, 'example-delay': pauseScale } = settings;
  const { log, print, machineFiles, lease } = ports;
  const strays = new StrayErrors();
  const endCatch = strays.catch({ log, crash: crashAsNode });
  const options = {
    clock: realClock,
    log,
    print,
    pauseScale,
    strays,
    inherited: inheritedBy(process.env),
    // A hold expires a lease after the deadline set at hand-over, and the timeout begins only with the tick.
    maxWaitMs: lease / 2,
  };
  const ended = (close: () => Promise<void>) => async (): Promise<void> => {
    await close();
    endCatch();
  };
  if (threads === 0) {
    const onBlocked = (task: TickTask, ms: number): void =>
      logBlocked(log, task, ms, 'with --threads auto it would run in a separate thread');
    const execute = createExecute({ ...options, onBlocked });
    return { execute, close: ended(() => Promise.resolve()) };
  }
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const isAuto = threads === 'auto';
  const max = isAuto
    ? Math.max(MIN_AUTO_THREADS, THREADS_PER_PROCESSOR * availableParallelism())
    : threads;
  // More threads would always be idle.
  const count = Math.min(max, concurrency);
  const start = isAuto ? startAutoThreads : (await import('../worker/thread-pool.ts')).startThreads;
  const pool = start({
    ...options,
    threads: count,
    minThreads: isAuto ? 1 : count,
    entry: new URL(`../cli/tick-thread${extension}`, import.meta.url),
    registry: () => machineFiles.registry,
    machinesVersion: () => machineFiles.version,
    machines,
  });
  return { execute: pool.execute, close: ended(() => pool.close()) };
}

type Variables = Readonly<Record<string, string | undefined>>;

/** All variables except the worker's options. */
function inheritedBy(environment: Variables): Variables {
  const options = new Set(Object.keys(OPTIONS).map(environmentName));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !options.has(name)));
}
