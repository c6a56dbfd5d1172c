/** Chains: each step leads to the next, which does not begin before. */
import type { Row } from '../model.ts';
import { timed } from './drain.ts';

const STEPS = 5;
const CONCURRENCY = 50;

export const chains: Row = {
  name: 'chains',
  title: ({ chains: count }) =>
    `Chains: ${count} of ${STEPS} steps, each committed before the next`,
  metrics: [
    { name: 'cpu', unit: 'µs CPU a step', digits: 0 },
    { name: 'rate', unit: 'steps/s', digits: 0 },
    { name: 'cores', unit: 'cores busy', digits: 2 },
  ],
  bound:
    'processor time, as in the drain, and the commits that a step waits for: a step begins only when the one before it is committed.',
  charts: ['cpu', 'rate'],
  notes: [
    'In the job queues the handler of each step adds the job of the next, and is then done: two writes, between which a crash runs the ' +
      'step again. In Flockwork both are one commit.',
  ],
  measure: (context) => {
    const count = Math.ceil(context.amounts.chains * (context.system.part ?? 1));
    return timed(context, { kind: 'chain', count, steps: count * STEPS, concurrency: CONCURRENCY });
  },
};
