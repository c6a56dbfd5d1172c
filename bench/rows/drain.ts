/** Many states that do nothing, held back until all are there: what a state costs. */
import { watchLoad } from '../foreign.ts';
import { WORKERS, type Measured, type Measuring, type Rig, type Row, type Site } from '../model.ts';
import { run } from '../processes.ts';
import { memoryOfTrees, peakMemory, untilQuiet } from '../usage.ts';

const CONCURRENCY = 50;

export const drain: Row = {
  name: 'drain',
  title: ({ states }) => `Drain: ${states} states that do nothing, ${WORKERS} workers`,
  metrics: [
    { name: 'cpu', unit: 'µs CPU a state', digits: 0 },
    { name: 'rate', unit: 'states/s', digits: 0 },
    { name: 'cores', unit: 'cores busy', digits: 2 },
    { name: 'worker', unit: 'MB peak of a worker', digits: 0 },
    { name: 'server', unit: 'MB of the servers', digits: 0 },
  ],
  bound:
    'processor time: of Flockwork and the floor, system calls on directories, which the kernel does one at a time in each ' +
    'directory; of BullMQ, its clients and the one thread of Redis (with `always`, its fsyncs); of the queues on PostgreSQL, ' +
    'the server. The column “cores busy” says how much of the machine each one used.',
  charts: ['cpu', 'rate'],
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

/** Starts workers, and runs it to its end: see `timedOn`. */
export async function timed({ system, site }: Measuring, load: Load): Promise<Measured> {
  const place = site();
  await using rig = await system.open(place);
  await rig.start(load.concurrency);
  // Otherwise the rig would be disposed of at once.
  return await timedOn(rig, place, load);
}

/** With idle workers: µs of processor time a step, steps a second, cores busy, memory, how long it took, foreign load. */
export async function timedOn(
  rig: Rig,
  place: Site,
  { kind, count, steps }: Load,
  workers: number = WORKERS,
): Promise<Measured> {
  await rig.put({ kind, ...(kind === 'chain' && { left: steps / count }) }, count);
  // Otherwise the measured system would pay for earlier writes.
  await run('sync', ['-f', place.directory]);
  await untilQuiet(workers);
  const endSpan = watchLoad();
  const begin = await rig.release();
  const end = await rig.finished(steps);
  const { cpu, foreign } = endSpan();
  return {
    cpu: (cpu * 1000) / steps,
    rate: (steps / (end - begin)) * 1000,
    cores: cpu / (end - begin),
    seconds: (end - begin) / 1000,
    worker: peakMemory(rig.workerPids),
    server: memoryOfTrees(rig.serverPids),
    foreign,
  };
}
