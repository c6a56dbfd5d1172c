/** What a worker decides with, for tests: one machine, and a session of one worker. */
import { done } from '../../src/machine/answer.ts';
import type { Machine } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import type { Attempt } from '../../src/machine/record.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import type { DecisionContext } from '../../src/worker/plan.ts';

export const NOW = '2026-01-01T00:00:00.000Z';
/** Its state `job` may be attempted twice. */
export const job: Machine = machine({
  name: 'job',
  activities: { job: { tick: () => done(), retry: { maximumAttempts: 2, initialInterval: 1000 } } },
});
export const context: DecisionContext = {
  session: 'ant.1',
  worker: 'ant',
  now: NOW,
  engineId: 'v',
  registry: createRegistry([job]),
  newest: new Map(),
};

/** The first attempt. */
export const attempt = (result: Attempt['result']): Attempt => ({
  attempt: 1,
  session: 's',
  worker: 'w',
  started: NOW,
  ended: NOW,
  result,
  error: { message: 'no' },
});
