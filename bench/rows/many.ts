/** More worker processes than cores: what the rate loses by them. */
import { FlockworkRig } from '../flockwork.ts';
import type { Row } from '../model.ts';
import { WORKERS } from '../model.ts';
import { timedOn } from './drain.ts';

const CONCURRENCY = 50;
const MANY_WORKERS = 8;

export const many: Row = {
  name: 'many',
  title: ({ many: count }) =>
    `Many workers: ${count} states that do nothing, ${WORKERS} workers and ${MANY_WORKERS}`,
  metrics: [
    { name: 'cpuMany', unit: `µs CPU a state, ${MANY_WORKERS} workers`, digits: 0 },
    { name: 'cpu', unit: `µs CPU a state, ${WORKERS}`, digits: 0 },
    { name: 'rateMany', unit: `states/s, ${MANY_WORKERS} workers`, digits: 0 },
    { name: 'rate', unit: `states/s, ${WORKERS}`, digits: 0 },
    { name: 'share', unit: `rate of ${MANY_WORKERS} / of ${WORKERS}`, digits: 2 },
  ],
  bound:
    'the cores: each process compiles the same code anew, and reads and splits every listing by itself.',
  charts: [],
  notes: ['As the drain, with a longer backlog.'],
  maxRounds: 2,
  measure: async ({ amounts, site }) => {
    const load = { kind: 'noop', count: amounts.many, steps: amounts.many } as const;
    const drain = async (workers: number): ReturnType<typeof timedOn> => {
      const place = site();
      await using rig = new FlockworkRig(place, []);
      await rig.start(CONCURRENCY, workers);
      return await timedOn(rig, place, { ...load, concurrency: CONCURRENCY }, workers);
    };
    const [few, more] = [await drain(WORKERS), await drain(MANY_WORKERS)];
    return {
      cpuMany: more.cpu!,
      cpu: few.cpu!,
      rateMany: more.rate!,
      rate: few.rate!,
      share: more.rate! / few.rate!,
      foreign: Math.max(few.foreign, more.foreign),
    };
  },
};
