/** Work that takes its time: how close to what the concurrency allows. */
import { SLEEP, WORKERS, type Row } from '../model.ts';
import { timed } from './drain.ts';

const CONCURRENCY = 10;

export const sleep: Row = {
  name: 'sleep',
  title: ({ sleeps }) =>
    `${sleeps} tasks of ${SLEEP} ms, ${CONCURRENCY} at a time on each of ${WORKERS} workers`,
  metrics: [
    { name: 'cpu', unit: 'µs CPU a task', digits: 0 },
    { name: 'seconds', unit: 's', digits: 2 },
    { name: 'ideal', unit: 'times the ideal', digits: 2 },
  ],
  bound: 'the 20 slots: what is above the ideal is the time for which a slot had no task.',
  charts: [],
  notes: ['The ideal is the number of tasks × 50 ms / 20, 5 s for 2,000.'],
  measure: async (context) => {
    const count = context.amounts.sleeps;
    const load = { kind: 'sleep', count, steps: count, concurrency: CONCURRENCY } as const;
    const measured = await timed(context, load);
    const ideal = (count * SLEEP) / (CONCURRENCY * WORKERS) / 1000;
    return { ...measured, ideal: measured.seconds! / ideal };
  },
};
