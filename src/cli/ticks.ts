/** Runs a worker's ticks in its own thread, in a pool of threads, or (`--threads auto`) in a pool if they block. */
import { availableParallelism } from 'node:os';
import { logBlocked, startAutoThreads } from '../worker/auto-threads.ts';
import { createExecute } from '../worker/executor.ts';
import type { Log } from '../engine/ports.ts';
import type { TickTask } from '../worker/ports.ts';
import { crashAsNode, StrayErrors } from '../worker/stray-errors.ts';
import type { Threads } from '../worker/threads.ts';
import { OPTIONS, type Settings } from './options.ts';
import type { MachineFiles } from './machine-files.ts';
import { realClock } from '../api/node-ports.ts';
import { environmentName } from './option.ts';

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
  const start = isAuto ? startAutoThreads : (await import('../worker/threads.ts')).startThreads;
  const pool = start({
    ...options,
    threads: count,
    minThreads: isAuto ? 1 : count,
    entry: new URL(`./tick-thread${extension}`, import.meta.url),
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
