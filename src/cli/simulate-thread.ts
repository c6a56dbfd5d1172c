/** A thread of `flockwork simulate`: runs seeds until none are left, or a thread finds a failure. */
import { parentPort, workerData } from 'node:worker_threads';
import { runSeed, runSeeds } from '../sim/campaign.ts';
import { loadOwn, type SimulationReport, type SimulationTask } from './simulation.ts';

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
