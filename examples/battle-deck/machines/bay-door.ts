/** The door between the bay and space. Timers request the other position; rules veto it unless the deck needs it. */
import { impossible, machine, same, type Machine } from '../../../src/index.ts';
import { AIRLOCKS, beforeOf, rulesFor, seconds, type Before } from '../rules.ts';

export function bayDoor(before: Before): Machine {
  return machine({
    name: 'bay-door',
    initial: 'closed',
    states: ['open', 'closed', 'opening', 'closing'],
    events: ['open requested', 'close requested', 'finished opening', 'finished closing'],
    table: {
      open: {
        'open requested': same,
        'close requested': 'closing',
        'finished opening': impossible,
        'finished closing': impossible,
      },
      closed: {
        'open requested': 'opening',
        'close requested': same,
        'finished opening': impossible,
        'finished closing': impossible,
      },
      opening: {
        'open requested': same,
        'close requested': 'closing',
        'finished opening': 'open',
        'finished closing': impossible,
      },
      closing: {
        'open requested': 'opening',
        'close requested': same,
        'finished opening': impossible,
        'finished closing': 'closed',
      },
    },
    sensors: ['environment', 'deck'],
    after: {
      open: { [seconds(1)]: 'close requested' },
      closed: { [seconds(1)]: 'open requested' },
      opening: { [seconds(1)]: 'close requested', [seconds(3)]: 'finished opening' },
      closing: { [seconds(1)]: 'open requested', [seconds(3)]: 'finished closing' },
    },
    hooks: { before },
  });
}

const standard: Machine = bayDoor(beforeOf(rulesFor(AIRLOCKS), 'door'));

export default standard;
