/** A thread of `flockwork simulate`: runs seeds until none are left, or a thread finds a failure. */
import { parentPort, workerData } from 'node:worker_threads';
import { runSeeds, type Totals } from '../sim/campaign.ts';
import { runSeed, type SeedWork } from '../sim/run-seed.ts';
import type { RunOutcome } from '../sim/outcome.ts';
import { loadOwn } from './load-scenario.ts';

export interface SimulationTask extends Pick<SeedWork, 'engine' | 'wishes'> {
  readonly base: number;
  readonly seeds: number;
  readonly machines: readonly string[];
  readonly paths: readonly string[];
  /** Shared by all threads: [runs begun, 1 to stop]. */
  readonly shared: SharedArrayBuffer;
}

export type SimulationReport =
  | { readonly kind: 'totals'; readonly totals: Totals }
  | { readonly kind: 'failure'; readonly outcome: RunOutcome };

const task = workerData as SimulationTask;
const shared = new Int32Array(task.shared);
const post = (report: SimulationReport): void => parentPort?.postMessage(report);

const own = await loadOwn(task.machines, task.paths);

await runSeeds({
  next: () => {
    if (Atomics.load(shared, 1) !== 0) return undefined;
    const run = Atomics.add(shared, 0, 1);
    return run < task.seeds ? String(task.base + run) : undefined;
  },
  run: (seed) => runSeed(seed, { ...task, ...(own && { own }) }),
  report: (totals) => post({ kind: 'totals', totals }),
  onFailure: (outcome) => {
    Atomics.store(shared, 1, 1);
    post({ kind: 'failure', outcome });
  },
});
