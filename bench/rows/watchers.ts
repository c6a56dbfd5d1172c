/** What many waiting workers cost together, while the volume is paused and while nothing is left to do. */
import { FlockworkRig } from '../flockwork.ts';
import { watchLoad, type LoadSpan } from '../foreign.ts';
import type { Row } from '../model.ts';
import { pause } from '../processes.ts';
import { memoryOfTrees } from '../usage.ts';

const CONCURRENCY = 4;
/** Longer than a lease (10 s): by then the workers have read each other's leases, and all listings have rested. */
const SETTLE = 15_000;

export const watchers: Row = {
  name: 'watchers',
  title: ({ watchers: count, seconds }) =>
    `${count} workers with --watch that have nothing to do, for ${seconds} s`,
  metrics: [
    { name: 'idle', unit: '% of a core together', digits: 1 },
    { name: 'paused', unit: '% of a core together, paused', digits: 1 },
    { name: 'memory', unit: 'MB a worker', digits: 0 },
  ],
  bound:
    'timers: each worker keeps its own heartbeat, and looks at the volume and at the leases of all others, so that the sum grows with the square of the workers.',
  charts: [],
  notes: ['Memory is that of all processes, shared pages in proportion, over their number.'],
  maxRounds: 1,
  measure: async ({ amounts, site }) => {
    await using rig = new FlockworkRig(site(), []);
    await rig.start(CONCURRENCY, amounts.watchers);
    const watch = async (): Promise<LoadSpan> => {
      await pause(SETTLE);
      const endSpan = watchLoad();
      await pause(amounts.seconds * 1000);
      return endSpan();
    };
    const paused = await watch();
    await rig.release();
    const idle = await watch();
    const percent = ({ cpu, seconds }: LoadSpan): number => cpu / 10 / seconds;
    return {
      idle: percent(idle),
      paused: percent(paused),
      memory: memoryOfTrees(rig.workerPids) / amounts.watchers,
      foreign: Math.max(idle.foreign, paused.foreign),
    };
  },
};
