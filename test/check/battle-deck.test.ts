/** What the battle deck's rules are there for, and that what is wrong with it is found, by the shortest way. */
import { describe, expect, test } from 'vitest';
import { battleDeck, type Variant } from '../../examples/battle-deck/battle-deck.ts';
import { rulesFor } from '../../examples/battle-deck/rules.ts';
import { checkAll } from '../../src/check/check.ts';
import type { Finding } from '../../src/check/findings.ts';
import { storyOf } from '../../src/check/story.ts';
import type { Machine, TableOptions } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, impossible, same, type Cell } from '../../src/machine/table.ts';

const NEVER = {
  pressure: 'never an outer door open onto another pressure, but for a leak',
  changing: 'never an outer door not shut while the environment is changed, but to mend a leak',
  door: 'never the bay door open unless the environment is hostile',
  active: 'never the deck active with the door not open, or the environment not hostile',
  ready: 'never the deck ready with the door not closed, or the environment not hostile',
} as const;
const UNSETTLED = 'from here it can no longer come to this by itself: the deck has settled';

/** What is found, and by how many steps. */
function found(variant: Variant): (readonly [string, number | undefined])[] {
  const { findings, bound } = checkAll(battleDeck({ airlocks: 1, ...variant }));
  expect(bound).toBeUndefined();
  return findings.map(({ message, trace }) => [message, trace?.steps.length]);
}

test.each([
  [0, 50],
  [1, 1250],
  [2, 16610],
] as const)('with %d airlocks all is as claimed: %d states', (airlocks, states) => {
  const result = checkAll(battleDeck({ airlocks }));
  expect(result).toMatchObject({ findings: [], bound: undefined, states });
});

describe('without this rule', () => {
  const needed = [
    ['the door opens only while the environment is hostile', [[NEVER.door, 3]]],
    ['the door opens only for a deck that needs it open', [[NEVER.ready, 4]]],
    ['the door closes only for a deck that needs it closed', [[NEVER.active, 6]]],
    ['the environment turns friendly only while the door is closed', [[NEVER.door, 6]]],
    [
      'the environment changes only for a deck that needs it',
      [
        [NEVER.changing, 1],
        [NEVER.ready, 4],
      ],
    ],
    [
      'the environment does not change while an outer door is not shut',
      [
        [NEVER.changing, 2],
        [NEVER.pressure, 4],
      ],
    ],
    ['no outer door opens while the environment is changing', [[NEVER.pressure, 4]]],
    [
      'no outer door opens until the deck has settled',
      [
        [NEVER.changing, 2],
        [UNSETTLED, 3],
      ],
    ],
    [
      'the deck settles only where it is what it is called',
      [
        [NEVER.active, 2],
        [NEVER.ready, 2],
        [NEVER.changing, 3],
      ],
    ],
    ['the deck calls in whoever is outside', [[UNSETTLED, 3]]],
  ] as const;

  test.each(needed)('%s', (without, expected) => {
    expect(found({ without })).toEqual(expected);
  });

  test('and so for every rule there is', () => {
    const rules = needed
      .map(([rule]) => rule)
      .filter((rule) => rule !== 'the deck calls in whoever is outside');
    expect(rules).toEqual(Object.keys(rulesFor([])));
  });
});

/** The machine with some cells, and perhaps timers, changed. */
function changed(
  { name, events, kinds, initial, rules, timers }: Machine,
  cells: Readonly<Record<string, Readonly<Record<string, Cell>>>>,
  { states = [], without = [] }: { states?: readonly string[]; without?: readonly string[] } = {},
): Machine {
  const { table, goals, before, after } = rules!;
  const all = [...kinds.keys(), ...states];
  const options: TableOptions = {
    name,
    states: all,
    events,
    initial,
    goals,
    table: Object.fromEntries(
      all.map((state) => [state, { ...table[state], ...cells[state] }]),
    ) as TableOptions['table'],
    after: Object.fromEntries(
      [...timers].map(([state, list]) => [
        state,
        Object.fromEntries(
          list
            .filter(({ event }) => !without.includes(event))
            .map((one) => [`${one.after}ms`, one.event]),
        ),
      ]),
    ),
    hooks: { ...(before && { before }), ...(after && { after }) },
  };
  return machine(options);
}

const put =
  (...args: [cells: Parameters<typeof changed>[1], more?: Parameters<typeof changed>[2]]) =>
  (one: Machine): Machine =>
    changed(one, ...args);

describe('a fault put in', () => {
  test('a hole is refused before anything is checked', () => {
    const make = (): unknown =>
      battleDeck({
        machines: { door: put({ opening: { 'finished opening': undefined as never } }) },
      });
    expect(make).toThrow('opening × finished opening: no cell');
  });

  test('a state that nothing leads to', () => {
    const machines = { door: put({ opening: { 'finished opening': same } }) };
    const messages = found({ machines });
    expect(messages).toContainEqual(['door never comes to open', undefined]);
    // It never being open, the deck is never active: nothing else is wrong.
    expect(messages.filter(([, steps]) => steps !== undefined)).toEqual([
      [UNSETTLED, 1],
      ['from here it can no longer come to this: the deck is active', 0],
    ]);
  });

  test('an impossible pair that happens: a call for which an opening door is not made', () => {
    const machines = {
      airlock: put({
        'opening outer': { 'ask open inner': choose('?', [impossible], () => impossible) },
      }),
    };
    expect(found({ machines })).toContainEqual([
      'airlock-A: ask open inner is impossible in state opening outer',
      2,
    ]);
  });

  test('a livelock that only a frozen world has: an opening that does not give up', () => {
    // The deck leaves and does not see yet that the door opens; the door may not finish, and nobody calls it in.
    const machines = { airlock: put({}, { without: ['ask open inner'] }) };
    const result = checkAll(battleDeck({ airlocks: 1, machines }));
    expect(result.findings.map(({ message }) => message)).toEqual([UNSETTLED]);
    expect(storyOf(result.findings[0]!).split('\n')).toEqual([
      `livelock: ${UNSETTLED}`,
      '  1  at once, on the same frozen world:',
      '     - deck: active requested (from outside): relaxed → activating',
      '     - airlock-A: ask open outer (from outside): closed pressurized → opening outer, toward outer open',
      '     then door: closed, environment: friendly, deck: activating, airlock-A: opening outer',
    ]);
  });

  test('a missing veto: the door opens whatever the environment is', () => {
    expect(found({ without: 'the door opens only while the environment is hostile' })).toEqual([
      [NEVER.door, 3],
    ]);
  });

  test('a wrong target: the door is open when it has finished closing', () => {
    const machines = { door: put({ closing: { 'finished closing': 'open' } }) };
    const messages = found({ machines });
    expect(messages).toContainEqual([
      'from here it can no longer come to this: the deck is relaxed, in a friendly bay',
      3,
    ]);
    expect(messages.map(([message]) => message)).toContain(UNSETTLED);
  });

  test('a wrong target: the heated bay is thought to be empty', () => {
    const machines = { environment: put({ heating: { 'finished heating': 'hostile' } }) };
    expect(found({ machines })).toContainEqual([
      'from here it can no longer come to this: the deck is relaxed, in a friendly bay',
      1,
    ]);
  });

  test('a wrong sensor: the airlock looks at the door to know what the bay is like', () => {
    const isHostile = choose<string>(
      'hostile?',
      ['outer open hostile', 'outer open friendly'],
      ({ sensor }) =>
        sensor('door')?.state === 'open' ? 'outer open hostile' : 'outer open friendly',
    );
    const machines = { airlock: put({ 'opening outer': { 'finished opening outer': isHostile } }) };
    expect(found({ machines })).toEqual([[NEVER.pressure, 7]]);
  });

  test('a sensor that nobody has', () => {
    const lost = choose<string>('?', ['opening outer'], ({ sensor }) =>
      sensor('bay')?.state === 'hostile' ? 'opening outer' : 'opening outer',
    );
    const machines = { airlock: put({ 'closed pressurized': { 'ask open outer': lost } }) };
    expect(found({ machines })).toEqual([
      ['airlock-A looks at bay, which is not in the composition', 1],
    ]);
  });

  test('a race of a frozen world: the environment and an airlock that do not look at the deck', () => {
    const { findings } = checkAll(
      battleDeck({ airlocks: 1, without: 'the environment changes only for a deck that needs it' }),
    );
    const race: Finding = findings[0]!;
    expect(race.message).toBe(NEVER.changing);
    expect(race.trace!.steps).toMatchObject([
      [
        {
          instance: 'environment',
          event: 'hostile requested',
          from: 'friendly',
          to: 'depressurizing',
        },
        { instance: 'airlock-A', event: 'ask open outer', to: 'opening outer' },
      ],
    ]);
  });
});
