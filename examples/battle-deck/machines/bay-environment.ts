/** The environment in the bay: air and warmth, or vacuum. Like the door, it follows what the deck needs. */
import { impossible, machine, same, type Machine } from '../../../src/index.ts';
import { AIRLOCKS, beforeOf, rulesFor, seconds, type Before } from '../rules.ts';

export function bayEnvironment(before: Before): Machine {
  return machine({
    name: 'bay-environment',
    initial: 'friendly',
    states: ['friendly', 'hostile', 'pressurizing', 'heating', 'depressurizing'],
    events: [
      'friendly requested',
      'hostile requested',
      'finished pressurizing',
      'finished heating',
      'finished depressurizing',
      'leak',
    ],
    table: {
      friendly: {
        'friendly requested': same,
        'hostile requested': 'depressurizing',
        'finished pressurizing': impossible,
        'finished heating': impossible,
        'finished depressurizing': impossible,
        leak: 'hostile',
      },
      hostile: {
        'friendly requested': 'pressurizing',
        'hostile requested': same,
        'finished pressurizing': impossible,
        'finished heating': impossible,
        'finished depressurizing': impossible,
        leak: same,
      },
      pressurizing: {
        'friendly requested': same,
        'hostile requested': 'depressurizing',
        'finished pressurizing': 'heating',
        'finished heating': impossible,
        'finished depressurizing': impossible,
        leak: 'hostile',
      },
      heating: {
        'friendly requested': same,
        'hostile requested': 'depressurizing',
        'finished pressurizing': impossible,
        'finished heating': 'friendly',
        'finished depressurizing': impossible,
        leak: 'hostile',
      },
      depressurizing: {
        'friendly requested': 'pressurizing',
        'hostile requested': same,
        'finished pressurizing': impossible,
        'finished heating': impossible,
        'finished depressurizing': 'hostile',
        leak: 'hostile',
      },
    },
    // From a leak until the bay is friendly again, or is emptied on purpose.
    goals: { leak: 'repair', 'finished heating': 'keep', 'hostile requested': 'keep' },
    sensors: ['door', 'deck', ...AIRLOCKS],
    after: {
      friendly: { [seconds(1)]: 'hostile requested' },
      hostile: { [seconds(1)]: 'friendly requested' },
      pressurizing: { [seconds(1)]: 'hostile requested', [seconds(60)]: 'finished pressurizing' },
      heating: { [seconds(1)]: 'hostile requested', [seconds(30)]: 'finished heating' },
      depressurizing: {
        [seconds(1)]: 'friendly requested',
        [seconds(60)]: 'finished depressurizing',
      },
    },
    hooks: { before },
  });
}

const standard: Machine = bayEnvironment(beforeOf(rulesFor(AIRLOCKS), 'environment'));

export default standard;
