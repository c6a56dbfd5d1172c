/** Leads to itself until no step is left. */
import { done, machine, next, type Machine } from '../../src/index.ts';

const chain: Machine = machine({
  name: 'chain',
  activities: {
    chain: ({ payload }) => {
      const { left } = payload as { left: number };
      return left > 1 ? next('chain', { left: left - 1 }) : done();
    },
  },
});

export default chain;
