/** The run of one seed, on each engine that can be simulated. */
import { drawEngineScenario } from './engine-scenario.ts';
import { simulateEngine } from './engine-simulation.ts';
import { MEMORY } from './engine-under-test.ts';
import type { RunOutcome } from './outcome.ts';
import type { OwnWork } from './own-work.ts';
import type { RecordOptions } from './run-record.ts';
import { drawScenario, type Wishes } from './scenario.ts';
import { simulate } from './simulation.ts';

export type SimulatedEngine = 'volume' | 'memory';

/** What a seed is run with: the same seed, with the same work, gives the same run. */
export interface SeedWork {
  readonly engine: SimulatedEngine;
  readonly wishes: Wishes;
  /** Replaces the simulator's own machines and instances. */
  readonly own?: OwnWork;
}

export function runSeed(
  seed: string,
  { engine, wishes, own }: SeedWork,
  record: RecordOptions = {},
): Promise<RunOutcome> {
  const options = { ...record, ...(own && { own }) };
  if (engine === 'volume') return simulate(drawScenario(seed, wishes), options);
  return simulateEngine(drawEngineScenario(seed, wishes, MEMORY.callFaults), MEMORY, options);
}
