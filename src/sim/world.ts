/** The simulation's interface to its processes. */
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import type { Disk } from './disk.ts';
import type { Method } from './faults.ts';
import type { Injection } from './outcome.ts';
import type { SimProcess } from './process.ts';

export interface SimulatedWorld {
  readonly seed: string;
  readonly disk: Disk;
  /** The true time, ms since the epoch. */
  now(): number;
  /** Returns a function that cancels it. */
  at(time: number, act: () => void): () => void;
  afterUnlessPowerFails(ms: number, act: () => void): void;
  losePower(): void;
  /** `text` is only called if a trace is written. */
  trace(who: string, text: () => string): void;
  injected(injection: Injection): void;
  /** A process begins a file operation. */
  asked(process: SimProcess, method: Method, path: string): void;
  /** A process's heartbeat reached the volume. */
  beats(process: SimProcess): void;
  ticked(process: SimProcess, state: string): void;
  /** Wraps a session, to observe its snapshots and claims. */
  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations;
}
