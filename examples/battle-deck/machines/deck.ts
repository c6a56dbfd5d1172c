/** The deck: fighters launch (active), stand by (ready), or are worked on (relaxed). */
import { impossible, machine, same, type Hooks, type Machine } from '../../../src/index.ts';
import { AIRLOCKS, beforeOf, callIn, rulesFor, seconds } from '../rules.ts';

export function deck(hooks: Hooks): Machine {
  return machine({
    name: 'battle-deck',
    initial: 'relaxed',
    states: ['active', 'ready', 'relaxed', 'activating', 'readying', 'relaxing'],
    events: [
      'active requested',
      'ready requested',
      'relaxed requested',
      'now active',
      'now ready',
      'now relaxed',
    ],
    table: {
      active: {
        'active requested': same,
        'ready requested': 'readying',
        'relaxed requested': 'relaxing',
        'now active': impossible,
        'now ready': impossible,
        'now relaxed': impossible,
      },
      ready: {
        'active requested': 'activating',
        'ready requested': same,
        'relaxed requested': 'relaxing',
        'now active': impossible,
        'now ready': impossible,
        'now relaxed': impossible,
      },
      relaxed: {
        'active requested': 'activating',
        'ready requested': 'readying',
        'relaxed requested': same,
        'now active': impossible,
        'now ready': impossible,
        'now relaxed': impossible,
      },
      activating: {
        'active requested': same,
        'ready requested': 'readying',
        'relaxed requested': 'relaxing',
        'now active': 'active',
        'now ready': impossible,
        'now relaxed': impossible,
      },
      readying: {
        'active requested': 'activating',
        'ready requested': same,
        'relaxed requested': 'relaxing',
        'now active': impossible,
        'now ready': 'ready',
        'now relaxed': impossible,
      },
      relaxing: {
        'active requested': 'activating',
        'ready requested': 'readying',
        'relaxed requested': same,
        'now active': impossible,
        'now ready': impossible,
        'now relaxed': 'relaxed',
      },
    },
    sensors: ['door', 'environment', ...AIRLOCKS],
    // Vetoed, and so repeated, until the door and the environment fit.
    after: {
      activating: { [seconds(1)]: 'now active' },
      readying: { [seconds(1)]: 'now ready' },
      relaxing: { [seconds(1)]: 'now relaxed' },
    },
    hooks,
  });
}

const standard: Machine = deck({
  before: beforeOf(rulesFor(AIRLOCKS), 'deck'),
  after: callIn(AIRLOCKS),
});

export default standard;
