/** Waits for events: each press switches it over. */
import { machine, type Machine } from '../../src/index.ts';

const lamp: Machine = machine({
  name: 'lamp',
  states: ['off', 'on'],
  events: ['press'],
  initial: 'off',
  table: { off: { press: 'on' }, on: { press: 'off' } },
});

export default lamp;
