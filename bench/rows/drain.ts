/** Many states that do nothing, held back until all are there: what a state costs. */
import { WORKERS, type Measured, type Measuring, type Row } from '../model.ts';
import { run } from '../processes.ts';
import { cpuOfChildren, memoryOfTrees, peakMemory, untilQuiet } from '../usage.ts';

const CONCURRENCY = 50;

export const drain: Row = {
  name: 'drain',
  title: ({ states }) => `Drain: ${states} states that do nothing, ${WORKERS} workers`,
  metrics: [
    { name: 'rate', unit: 'states/s', digits: 0 },
    { name: 'cpu', unit: 'µs CPU a state', digits: 0 },
    { name: 'worker', unit: 'MB peak of a worker', digits: 0 },
    { name: 'server', unit: 'MB of the servers', digits: 0 },
  ],
  charts: ['rate', 'cpu'],
  notes: [
    'The workers are running and idle, the states are submitted and held back (`flockwork pause`, `queue.pause`, an open transaction). ' +
      'Time is measured from the release to the last commit. GNU parallel cannot wait: it runs from its start to its end.',
    'CPU is user and system time of all processes of a system, servers included. The memory of workers is their peak; that of servers is ' +
      'measured at the end.',
  ],
  measure: async (context) => {
    const steps = Math.ceil(context.amounts.states * (context.system.part ?? 1));
    return timed(context, { kind: 'noop', count: steps, steps, concurrency: CONCURRENCY });
  },
};

export interface Load {
  readonly kind: 'noop' | 'chain' | 'sleep';
  readonly count: number;
  /** In all. */
  readonly steps: number;
  readonly concurrency: number;
}

/** Runs it to its end: steps a second, µs of processor time a step, memory, and how long it took. */
export async function timed({ system, site }: Measuring, load: Load): Promise<Measured> {
  const { kind, count, steps, concurrency } = load;
  const place = site();
  await using rig = await system.open(place);
  await rig.start(concurrency);
  await rig.put({ kind, ...(kind === 'chain' && { left: steps / count }) }, count);
  // Otherwise the measured system would pay for earlier writes.
  await run('sync', ['-f', place.directory]);
  await untilQuiet();
  const cpu = cpuOfChildren();
  const begin = await rig.release();
  const end = await rig.finished(steps);
  return {
    rate: (steps / (end - begin)) * 1000,
    seconds: (end - begin) / 1000,
    cpu: ((cpuOfChildren() - cpu) * 1000) / steps,
    worker: peakMemory(rig.workerPids),
    server: memoryOfTrees(rig.serverPids),
  };
}
