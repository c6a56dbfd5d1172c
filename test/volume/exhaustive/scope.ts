/** Size of the search. */
import type { Fault } from './faults.ts';

export interface Scope {
  readonly workers: number;
  /** Sessions of each worker, one after the other. */
  readonly attempts: number;
  /** How often each session ticks the state, if it is shown as available each time. */
  readonly ticks: number;
  readonly reapers: number;
  readonly faults: readonly Fault[];
  /** Successors are claimed before they are published. */
  readonly follow: boolean;
}
