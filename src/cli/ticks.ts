/** Where a worker's ticks run: in its own thread, in others, or (`--threads auto`) in others where they block its own. */
import { availableParallelism } from 'node:os';
import { sayBlocked, startAutoThreads } from '../worker/auto-threads.ts';
import { createExecute } from '../worker/executor.ts';
import type { Log } from '../engine/ports.ts';
import type { TickTask } from '../worker/ports.ts';
import { crashAsNode, StrayErrors } from '../worker/stray-errors.ts';
import { startThreads, type Threads } from '../worker/threads.ts';
import type { Settings } from './options.ts';
import type { MachineFiles } from './machine-files.ts';
import { inheritedBy } from './inherited.ts';
import { realClock } from '../api/node-ports.ts';

interface TickPorts {
  readonly log: Log;
  readonly print: (line: string) => void;
  readonly machineFiles: MachineFiles;
  /** Milliseconds. */
  readonly lease: number;
}

/** `auto`: a tick may block for a moment, and wait for long. */
const THREADS_PER_PROCESSOR = 4;
const FEW_THREADS = 16;

export function startTicks(settings: Settings, ports: TickPorts): Threads {
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
    // The proof of life ends a lease after the timeout of what was handed over, and a timeout begins with its tick.
    patience: lease / 2,
  };
  const ended = (close: () => Promise<void>) => async (): Promise<void> => {
    await close();
    endCatch();
  };
  if (threads === 0) {
    const onBlocked = (task: TickTask, ms: number): void =>
      sayBlocked(log, task, ms, 'with --threads auto it would run in another one');
    const execute = createExecute({ ...options, onBlocked });
    return { execute, close: ended(() => Promise.resolve()) };
  }
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const isAuto = threads === 'auto';
  const most = isAuto
    ? Math.max(FEW_THREADS, THREADS_PER_PROCESSOR * availableParallelism())
    : threads;
  // More would never have anything to do.
  const count = Math.min(most, concurrency);
  const start = isAuto ? startAutoThreads : startThreads;
  const pool = start({
    ...options,
    threads: count,
    least: isAuto ? 1 : count,
    entry: new URL(`./tick-thread${extension}`, import.meta.url),
    registry: () => machineFiles.registry,
    machinesVersion: () => machineFiles.version,
    machines,
  });
  return { execute: pool.execute, close: ended(() => pool.close()) };
}
