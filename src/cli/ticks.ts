/** Where a worker's ticks run: in its own thread or, with `--threads`, in others. */
import { createExecute } from '../worker/executor.ts';
import type { Log } from '../worker/ports.ts';
import { startThreads, type Threads } from '../worker/threads.ts';
import type { Settings } from './options.ts';
import type { MachineFiles } from './machine-files.ts';
import { inheritedBy } from './inherited.ts';
import { realClock } from './real.ts';

interface TickPorts {
  readonly log: Log;
  readonly print: (line: string) => void;
  readonly machineFiles: MachineFiles;
  /** Milliseconds. */
  readonly lease: number;
}

export function startTicks(settings: Settings, ports: TickPorts): Threads {
  const { threads, concurrency, machines, 'example-delay': pauseScale } = settings;
  const options = {
    clock: realClock,
    log: ports.log,
    print: ports.print,
    pauseScale,
    inherited: inheritedBy(process.env),
    // The proof of life ends a lease after the timeout of what was handed over, and a timeout begins with its tick.
    patience: ports.lease / 2,
  };
  if (threads === 0) return { execute: createExecute(options), close: () => Promise.resolve() };
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  return startThreads({
    ...options,
    // More would never have anything to do.
    threads: Math.min(threads, concurrency),
    entry: new URL(`./tick-thread${extension}`, import.meta.url),
    registry: () => ports.machineFiles.registry,
    machinesVersion: () => ports.machineFiles.version,
    machines,
  });
}
