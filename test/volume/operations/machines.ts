/** The machines of these tests. */
import { done, machine, next, same } from '../../../src/index.ts';
import { createRegistry, type Registry } from '../../../src/machine/registry.ts';

/** Sends an event to each instance in the event's details under `tell`. A dying lamp goes out by a timer. */
const lamp = machine({
  name: 'lamp',
  states: ['off', 'on', 'dying'],
  events: ['press', 'fade', 'end'],
  initial: 'off',
  table: {
    off: { press: 'on', fade: 'dying', end: same },
    on: { press: 'off', fade: 'dying', end: same },
    dying: { press: same, fade: same, end: 'off' },
  },
  after: { dying: { '2s': 'end' } },
  hooks: {
    after: ({ details }) => {
      const { tell = [] } = (details ?? {}) as { tell?: string[] };
      return tell.map((to) => ({ to, event: 'press' }));
    },
  },
});

const count = machine({
  name: 'count',
  activities: {
    count: ({ payload }) => {
      const { left } = payload as { left: number };
      return left === 0 ? done('counted') : next('count', { left: left - 1 });
    },
  },
});

export const REGISTRY: Registry = createRegistry([lamp, count]);
