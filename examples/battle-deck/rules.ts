/** Rules over several instances: hooks that observe the others, instead of more cells in each table. */
import type { EventRequest, Transition } from '../../src/index.ts';

export type Before = (transition: Transition) => string | undefined;

/** The machine whose transitions a rule may veto, and when it does. */
export interface Rule {
  readonly of: 'door' | 'environment' | 'airlock' | 'deck';
  readonly forbids: (transition: Transition) => boolean;
}

/** The door and environment that each state of the deck needs. */
const NEEDS: Readonly<Record<string, { door: string; environment: string }>> = {
  active: { door: 'open', environment: 'hostile' },
  activating: { door: 'open', environment: 'hostile' },
  ready: { door: 'closed', environment: 'hostile' },
  readying: { door: 'closed', environment: 'hostile' },
  relaxed: { door: 'closed', environment: 'friendly' },
  relaxing: { door: 'closed', environment: 'friendly' },
};

export const CHANGING: ReadonlySet<string> = new Set(['pressurizing', 'heating', 'depressurizing']);
export const OUTER_OPEN: ReadonlySet<string> = new Set([
  'outer open friendly',
  'outer open hostile',
]);
export const OUTER_NOT_SHUT: ReadonlySet<string> = new Set([
  ...OUTER_OPEN,
  'opening outer',
  'closing outer',
]);
export const SETTLED: ReadonlySet<string> = new Set(['active', 'ready', 'relaxed']);

/** `BATTLE_DECK_SPEED=20` makes doors and pumps 20 times as fast. */
const SPEED = Number(process.env['BATTLE_DECK_SPEED'] ?? 1);
export const seconds = (count: number): string => `${count / SPEED}s`;

type Sensor = Transition['sensor'];
const at = (sensor: Sensor, instance: string): string => sensor(instance)?.state ?? '';
const needed = (sensor: Sensor): { door: string; environment: string } | undefined =>
  NEEDS[at(sensor, 'deck')];
const opensOuter = (to: string): boolean => to === 'opening outer' || OUTER_OPEN.has(to);

export type RuleName =
  | 'the door opens only while the environment is hostile'
  | 'the door opens only for a deck that needs it open'
  | 'the door closes only for a deck that needs it closed'
  | 'the environment turns friendly only while the door is closed'
  | 'the environment changes only for a deck that needs it'
  | 'the environment does not change while an outer door is not shut'
  | 'no outer door opens while the environment is changing'
  | 'no outer door opens until the deck has settled'
  | 'the deck settles only where it is what it is called';

/** Instance names. */
export const AIRLOCKS: readonly string[] = ['airlock-A', 'airlock-B', 'airlock-C', 'airlock-D'];

export function rulesFor(airlocks: readonly string[]): Record<RuleName, Rule> {
  return {
    'the door opens only while the environment is hostile': {
      of: 'door',
      forbids: ({ to, sensor }) =>
        (to === 'opening' || to === 'open') && at(sensor, 'environment') !== 'hostile',
    },
    'the door opens only for a deck that needs it open': {
      of: 'door',
      forbids: ({ to, sensor }) => to === 'opening' && needed(sensor)?.door !== 'open',
    },
    'the door closes only for a deck that needs it closed': {
      of: 'door',
      forbids: ({ to, sensor }) => to === 'closing' && needed(sensor)?.door !== 'closed',
    },
    'the environment turns friendly only while the door is closed': {
      of: 'environment',
      forbids: ({ to, sensor }) =>
        (to === 'pressurizing' || to === 'heating' || to === 'friendly') &&
        at(sensor, 'door') !== 'closed',
    },
    'the environment changes only for a deck that needs it': {
      of: 'environment',
      forbids: ({ to, event, sensor }) =>
        event !== 'leak' &&
        ((to === 'pressurizing' && needed(sensor)?.environment !== 'friendly') ||
          (to === 'depressurizing' && needed(sensor)?.environment !== 'hostile')),
    },
    'the environment does not change while an outer door is not shut': {
      of: 'environment',
      forbids: ({ event, sensor }) =>
        event !== 'leak' && airlocks.some((name) => OUTER_NOT_SHUT.has(at(sensor, name))),
    },
    'no outer door opens while the environment is changing': {
      of: 'airlock',
      forbids: ({ to, sensor }) => opensOuter(to) && CHANGING.has(at(sensor, 'environment')),
    },
    'no outer door opens until the deck has settled': {
      of: 'airlock',
      forbids: ({ to, sensor }) => opensOuter(to) && !SETTLED.has(at(sensor, 'deck')),
    },
    'the deck settles only where it is what it is called': {
      of: 'deck',
      forbids: ({ to, sensor }) =>
        SETTLED.has(to) &&
        (at(sensor, 'door') !== NEEDS[to]?.door ||
          at(sensor, 'environment') !== NEEDS[to]?.environment),
    },
  };
}

/** The `before` hook of a machine: returns the name of the rule that vetoes the transition, if any. */
export function beforeOf(rules: Readonly<Record<string, Rule>>, of: Rule['of']): Before {
  const own = Object.entries(rules).filter(([, rule]) => rule.of === of);
  return (transition) => own.find(([, { forbids }]) => forbids(transition))?.[0];
}

/** The `after` hook of the deck: when it leaves a state, airlocks whose outer door is open or opening are asked to shut it. */
export function callIn(airlocks: readonly string[]): (transition: Transition) => EventRequest[] {
  return ({ state, to, sensor }) =>
    state === to
      ? []
      : airlocks
          .filter((name) => opensOuter(at(sensor, name)))
          .map((name) => ({ to: name, event: 'ask open inner' }));
}
