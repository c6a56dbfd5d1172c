/** The machine of tests of events. */
import type { Machine } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { same } from '../../src/machine/table.ts';

/** A lamp: emits an event to each instance in `tell` of an event's details. A dying lamp goes out by itself. */
export const lampMachine = (dyingTime: string): Machine =>
  machine({
    name: 'lamp',
    states: ['off', 'on', 'dying', 'broken'],
    events: ['press', 'fade', 'end', 'smash'],
    initial: 'off',
    table: {
      off: { press: 'on', fade: 'dying', end: same, smash: 'broken' },
      on: { press: 'off', fade: 'dying', end: same, smash: 'broken' },
      dying: { press: same, fade: same, end: 'off', smash: 'broken' },
      broken: { press: same, fade: same, end: same, smash: same },
    },
    after: { dying: { [dyingTime]: 'end' } },
    hooks: {
      after: ({ details }) => {
        const { tell = [] } = (details ?? {}) as { tell?: string[] };
        return tell.map((to) => ({ to, event: 'press' }));
      },
    },
  });
