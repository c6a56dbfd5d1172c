/** The interface of a simulated volume to its processes. */
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import type { Disk } from './disk.ts';
import type { Method } from './faults.ts';
import type { ProcessWorld } from './host-process.ts';
import type { Injection } from './outcome.ts';
import type { SimProcess } from './process.ts';

export interface SimulatedWorld extends ProcessWorld {
  readonly disk: Disk;
  afterUnlessPowerFails(ms: number, act: () => void): void;
  losePower(): void;
  injected(injection: Injection): void;
  /** A process begins a file operation. */
  asked(process: SimProcess, method: Method, path: string): void;
  /** A process's heartbeat reached the volume. */
  beats(process: SimProcess): void;
  ticked(process: SimProcess, state: string): void;
  /** Wraps a session, to observe its snapshots and claims. */
  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations;
}
