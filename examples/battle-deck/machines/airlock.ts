/** An airlock between the ship (inner door) and the bay (outer door): at most one of its doors is not shut. */
import {
  choose,
  impossible,
  machine,
  same,
  type Machine,
  type GuardContext,
} from '../../../src/index.ts';
import { AIRLOCKS, beforeOf, rulesFor, seconds, type Before } from '../rules.ts';

const bay = ({ sensor }: GuardContext): string | undefined => sensor('environment')?.state;
const isHostile = (situation: GuardContext): boolean => bay(situation) === 'hostile';
const wantsOuter = ({ goal }: GuardContext): boolean => goal === 'outer open';

/** Only what was begun can be finished. */
const never = {
  'finished pressurizing': impossible,
  'finished depressurizing': impossible,
  'finished opening outer': impossible,
  'finished opening inner': impossible,
  'finished closing outer': impossible,
  'finished closing inner': impossible,
} as const;

export function airlock(before: Before): Machine {
  return machine({
    name: 'airlock',
    initial: 'closed pressurized',
    states: [
      'closed pressurized',
      'closed depressurized',
      'opening outer',
      'opening inner',
      'closing outer',
      'closing inner',
      'pressurizing',
      'depressurizing',
      'inner open',
      'outer open friendly',
      'outer open hostile',
    ],
    events: [
      'ask open outer',
      'ask open inner',
      'finished pressurizing',
      'finished depressurizing',
      'finished opening outer',
      'finished opening inner',
      'finished closing outer',
      'finished closing inner',
    ],
    table: {
      'closed pressurized': {
        ...never,
        'ask open outer': choose('hostile?', ['depressurizing', 'opening outer'], (situation) =>
          isHostile(situation) ? 'depressurizing' : 'opening outer',
        ),
        'ask open inner': 'opening inner',
      },
      'closed depressurized': {
        ...never,
        'ask open outer': choose('hostile?', ['opening outer', 'pressurizing'], (situation) =>
          isHostile(situation) ? 'opening outer' : 'pressurizing',
        ),
        'ask open inner': 'pressurizing',
      },
      'opening outer': {
        ...never,
        'ask open outer': same,
        'ask open inner': 'closing outer',
        'finished opening outer': choose(
          'hostile?',
          ['outer open hostile', 'outer open friendly'],
          (situation) => (isHostile(situation) ? 'outer open hostile' : 'outer open friendly'),
        ),
      },
      'opening inner': {
        ...never,
        'ask open outer': 'closing inner',
        'ask open inner': same,
        'finished opening inner': 'inner open',
      },
      'closing outer': {
        ...never,
        'ask open outer': 'opening outer',
        'ask open inner': same,
        // The airlock has the pressure of the bay, which may fall meanwhile.
        'finished closing outer': choose(
          'follow goal',
          ['opening outer', 'opening inner', 'pressurizing'],
          (situation) => {
            if (wantsOuter(situation)) return 'opening outer';
            return bay(situation) === 'friendly' ? 'opening inner' : 'pressurizing';
          },
        ),
      },
      'closing inner': {
        ...never,
        'ask open outer': same,
        'ask open inner': 'opening inner',
        'finished closing inner': choose(
          'follow goal',
          ['opening inner', 'depressurizing', 'opening outer'],
          (situation) => {
            if (!wantsOuter(situation)) return 'opening inner';
            return isHostile(situation) ? 'depressurizing' : 'opening outer';
          },
        ),
      },
      pressurizing: {
        ...never,
        'ask open outer': choose('new goal?', ['depressurizing', same], ({ payload, goal }) =>
          payload.goal === goal ? same : 'depressurizing',
        ),
        'ask open inner': same,
        'finished pressurizing': choose(
          'follow goal',
          ['opening inner', 'depressurizing', 'opening outer'],
          (situation) => {
            if (!wantsOuter(situation)) return 'opening inner';
            return isHostile(situation) ? 'depressurizing' : 'opening outer';
          },
        ),
      },
      depressurizing: {
        ...never,
        'ask open outer': choose('new goal?', ['pressurizing', same], ({ payload, goal }) =>
          payload.goal === goal ? same : 'pressurizing',
        ),
        'ask open inner': 'pressurizing',
        'finished depressurizing': choose(
          'follow goal',
          ['opening outer', 'pressurizing'],
          (situation) =>
            wantsOuter(situation) && isHostile(situation) ? 'opening outer' : 'pressurizing',
        ),
      },
      'inner open': { ...never, 'ask open outer': 'closing inner', 'ask open inner': same },
      'outer open friendly': {
        ...never,
        'ask open outer': same,
        'ask open inner': 'closing outer',
      },
      'outer open hostile': { ...never, 'ask open outer': same, 'ask open inner': 'closing outer' },
    },
    goals: { 'ask open outer': 'outer open', 'ask open inner': 'inner open' },
    sensors: ['environment', 'deck'],
    after: {
      // A door whose opening is vetoed is closed again instead of staying half open.
      'opening outer': { [seconds(3)]: 'finished opening outer', [seconds(10)]: 'ask open inner' },
      'opening inner': { [seconds(3)]: 'finished opening inner' },
      'closing outer': { [seconds(3)]: 'finished closing outer' },
      'closing inner': { [seconds(3)]: 'finished closing inner' },
      pressurizing: { [seconds(20)]: 'finished pressurizing' },
      depressurizing: { [seconds(20)]: 'finished depressurizing' },
    },
    hooks: { before },
  });
}

const standard: Machine = airlock(beforeOf(rulesFor(AIRLOCKS), 'airlock'));

export default standard;
