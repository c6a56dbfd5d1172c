/**
 * The bay door, the bay's environment, four airlocks and the deck, with their invariants and goals.
 *
 *   flockwork check examples/battle-deck/battle-deck.ts
 */
import {
  composition,
  never,
  possible,
  settles,
  type Composition,
  type Machine,
  type World,
} from '../../src/index.ts';
import { airlock } from './machines/airlock.ts';
import { bayDoor } from './machines/bay-door.ts';
import { bayEnvironment } from './machines/bay-environment.ts';
import { deck } from './machines/deck.ts';
import {
  AIRLOCKS,
  beforeOf,
  callIn,
  CHANGING,
  OUTER_NOT_SHUT,
  OUTER_OPEN,
  rulesFor,
  SETTLED,
  type Rule,
  type RuleName,
} from './rules.ts';

export interface Variant {
  /** Number of airlocks, from A on. Default: 4. */
  readonly airlocks?: 0 | 1 | 2 | 3 | 4;
  /** Leaves out one rule, or the deck's call, to show what it is for. */
  readonly without?: RuleName | 'the deck calls in open airlocks';
  /** Replaces machines by name. */
  readonly machines?: Readonly<Record<string, (machine: Machine) => Machine>>;
}

const INNER_NOT_SHUT: ReadonlySet<string> = new Set([
  'opening inner',
  'inner open',
  'closing inner',
]);

export function battleDeck({
  airlocks: count = 4,
  without,
  machines = {},
}: Variant = {}): Composition {
  const airlocks = AIRLOCKS.slice(0, count);
  const rules: Record<string, Rule> = { ...rulesFor(airlocks) };
  if (without !== undefined) delete rules[without];
  const isCalledIn = without !== 'the deck calls in open airlocks';
  const lock = made('airlock', airlock(beforeOf(rules, 'airlock')));
  const some = (world: World, test: (state: string) => boolean): boolean =>
    airlocks.some((name) => test(world(name).state));
  const isRepairing = (world: World): boolean =>
    (world('environment').payload as { goal?: string }).goal === 'repair';

  function made(name: string, machine: Machine): Machine {
    return machines[name]?.(machine) ?? machine;
  }

  return composition({
    name: 'battle deck',
    instances: {
      door: made('door', bayDoor(beforeOf(rules, 'door'))),
      environment: made('environment', bayEnvironment(beforeOf(rules, 'environment'))),
      deck: made(
        'deck',
        deck({
          before: beforeOf(rules, 'deck'),
          ...(isCalledIn && { after: callIn(airlocks) }),
        }),
      ),
      ...Object.fromEntries(airlocks.map((name) => [name, lock])),
    },
    start: { environment: { payload: { goal: 'keep' } } },
    inputs: {
      environment: ['leak'],
      deck: ['active requested', 'ready requested', 'relaxed requested'],
      ...Object.fromEntries(airlocks.map((name) => [name, ['ask open outer', 'ask open inner']])),
    },
    invariants: [
      never('an inner and an outer door of one airlock open together', (world) =>
        some(world, (state) => INNER_NOT_SHUT.has(state) && OUTER_NOT_SHUT.has(state)),
      ),
      never('an outer door open onto another pressure, but for a leak', (world) => {
        const bay = world('environment').state;
        const isLeaking = bay === 'hostile' && isRepairing(world);
        return some(
          world,
          (state) =>
            (state === 'outer open friendly' && bay !== 'friendly' && !isLeaking) ||
            (state === 'outer open hostile' && bay !== 'hostile'),
        );
      }),
      never(
        'an outer door not shut while the environment is changed, but to repair a leak',
        (world) => {
          return (
            CHANGING.has(world('environment').state) &&
            !isRepairing(world) &&
            some(world, (state) => OUTER_NOT_SHUT.has(state))
          );
        },
      ),
      never('the bay door open unless the environment is hostile', (world) => {
        return world('door').state === 'open' && world('environment').state !== 'hostile';
      }),
      never('the deck active with the door not open, or the environment not hostile', (world) => {
        const isFit = world('door').state === 'open' && world('environment').state === 'hostile';
        return world('deck').state === 'active' && !isFit;
      }),
      never('the deck ready with the door not closed, or the environment not hostile', (world) => {
        const isFit = world('door').state === 'closed' && world('environment').state === 'hostile';
        return world('deck').state === 'ready' && !isFit;
      }),
    ],
    goals: [
      settles('the deck has settled', (world) => SETTLED.has(world('deck').state)),
      possible('the deck is active', (world) => world('deck').state === 'active'),
      possible('the deck is relaxed, in a friendly bay', (world) => {
        return world('deck').state === 'relaxed' && world('environment').state === 'friendly';
      }),
      possible('every inner door is open', (world) =>
        airlocks.every((name) => world(name).state === 'inner open'),
      ),
      possible('every outer door is open', (world) =>
        airlocks.every((name) => OUTER_OPEN.has(world(name).state)),
      ),
    ],
    ...(airlocks.length > 1 && { symmetric: [airlocks] }),
    // A shut airlock goes on until a door is open: no transition leads back to this state.
    unreached: Object.fromEntries(airlocks.map((name) => [name, ['closed depressurized']])),
    // One repetition of a call is told apart from none; further repetitions are not counted.
    waiting: { changes: 2, repeats: 1 },
  });
}

const whole: Composition = battleDeck();

export default whole;
