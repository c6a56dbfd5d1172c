/** What a simulated process sees of the simulation around it. */
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import type { Disk } from './disk.ts';
import type { Method } from './faults.ts';
import type { Injection } from './outcome.ts';
import type { SimProcess } from './process.ts';

export interface World {
  readonly seed: string;
  readonly disk: Disk;
  /** The true time, ms since the epoch. */
  now(): number;
  /** Returns a function that cancels it. */
  at(time: number, act: () => void): () => void;
  afterUnlessPowerFails(ms: number, act: () => void): void;
  losePower(): void;
  /** `text` is only made if somebody reads it. */
  trace(who: string, text: () => string): void;
  injected(injection: Injection): void;
  /** A process asks the volume for something: is it the time for that? */
  asked(process: SimProcess, method: Method, path: string): void;
  /** A process has given a sign of life. */
  beats(process: SimProcess): void;
  ticked(process: SimProcess, state: string): void;
  /** Looks over a session's shoulder. */
  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations;
}
