/** The machines of these tests. */
import { done, machine, next } from '../../../src/index.ts';
import { createRegistry, type Registry } from '../../../src/machine/registry.ts';
import { lampMachine } from '../lamp.ts';

const count = machine({
  name: 'count',
  activities: {
    count: ({ payload }) => {
      const { left } = payload as { left: number };
      return left === 0 ? done('counted') : next('count', { left: left - 1 });
    },
  },
});

export const REGISTRY: Registry = createRegistry([lampMachine('2s'), count]);
