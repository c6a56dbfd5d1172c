/** Each rule of the battle deck is needed, and each fault in it is found by a shortest trace. */
import { describe, expect, test } from 'vitest';
import { battleDeck, type Variant } from '../../examples/battle-deck/battle-deck.ts';
import { rulesFor } from '../../examples/battle-deck/rules.ts';
import { checkAll } from '../../src/check/check.ts';
import type { Finding } from '../../src/check/findings.ts';
import { storyOf } from '../../src/check/trace.ts';
import type { Machine, TableOptions } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, impossible, same, type Cell } from '../../src/machine/table.ts';

const NEVER = {
  pressure: 'never an outer door open onto another pressure, but for a leak',
  changing: 'never an outer door not shut while the environment is changed, but to repair a leak',
  door: 'never the bay door open unless the environment is hostile',
  active: 'never the deck active with the door not open, or the environment not hostile',
  ready: 'never the deck ready with the door not closed, or the environment not hostile',
} as const;
const UNSETTLED = 'this goal can no longer be reached without further input: the deck has settled';

/** Message and trace length of each finding. */
function found(variant: Variant): (readonly [string, number | undefined])[] {
  const { findings, bound } = checkAll(battleDeck({ airlocks: 1, ...variant }));
  expect(bound).toBeUndefined();
  return findings.map(({ message, trace }) => [message, trace?.steps.length]);
}

test.each([
  [0, 50],
  [1, 1250],
  [2, 16610],
] as const)('with %d airlocks all claims hold: %d states', (airlocks, states) => {
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
    ['the deck calls in open airlocks', [[UNSETTLED, 3]]],
  ] as const;

  test.each(needed)('%s', (without, expected) => {
    expect(found({ without })).toEqual(expected);
  });

  test('covers every rule', () => {
    const rules = needed
      .map(([rule]) => rule)
      .filter((rule) => rule !== 'the deck calls in open airlocks');
    expect(rules).toEqual(Object.keys(rulesFor([])));
  });
});

/** A copy of the machine with other cells, more states or fewer timers. */
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

describe('an injected fault is found:', () => {
  test('a missing cell, before anything is checked', () => {
    const make = (): unknown =>
      battleDeck({
        machines: { door: put({ opening: { 'finished opening': undefined as never } }) },
      });
    expect(make).toThrow('opening × finished opening: no cell');
  });

  test('an unreachable state', () => {
    const machines = { door: put({ opening: { 'finished opening': same } }) };
    const messages = found({ machines });
    expect(messages).toContainEqual(['door never enters open', undefined]);
    // The door is never open, so the deck is never active: these are the only other findings.
    expect(messages.filter(([, steps]) => steps !== undefined)).toEqual([
      [UNSETTLED, 1],
      ['this goal can no longer be reached: the deck is active', 0],
    ]);
  });

  test('an impossible pair: a call during opening', () => {
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

  test('a livelock of simultaneous steps: an opening without timeout', () => {
    // The deck leaves its state before it sees that the door opens: the door may not finish and is not called in.
    const machines = { airlock: put({}, { without: ['ask open inner'] }) };
    const result = checkAll(battleDeck({ airlocks: 1, machines }));
    expect(result.findings.map(({ message }) => message)).toEqual([UNSETTLED]);
    expect(storyOf(result.findings[0]!).split('\n')).toEqual([
      `livelock: ${UNSETTLED}`,
      '  1  simultaneously, on the same snapshot:',
      '     - deck: active requested (from outside): relaxed → activating',
      '     - airlock-A: ask open outer (from outside): closed pressurized → opening outer, toward outer open',
      '     then door: closed, environment: friendly, deck: activating, airlock-A: opening outer',
    ]);
  });

  test('a missing veto: the door opens in any environment', () => {
    expect(found({ without: 'the door opens only while the environment is hostile' })).toEqual([
      [NEVER.door, 3],
    ]);
  });

  test('a wrong target: the door is open when it has finished closing', () => {
    const machines = { door: put({ closing: { 'finished closing': 'open' } }) };
    const messages = found({ machines });
    expect(messages).toContainEqual([
      'this goal can no longer be reached: the deck is relaxed, in a friendly bay',
      3,
    ]);
    expect(messages.map(([message]) => message)).toContain(UNSETTLED);
  });

  test('a wrong target: the environment is hostile after heating', () => {
    const machines = { environment: put({ heating: { 'finished heating': 'hostile' } }) };
    expect(found({ machines })).toContainEqual([
      'this goal can no longer be reached: the deck is relaxed, in a friendly bay',
      1,
    ]);
  });

  test('a wrong sensor: the airlock reads the door instead of the environment', () => {
    const isHostile = choose<string>(
      'hostile?',
      ['outer open hostile', 'outer open friendly'],
      ({ sensor }) =>
        sensor('door')?.state === 'open' ? 'outer open hostile' : 'outer open friendly',
    );
    const machines = { airlock: put({ 'opening outer': { 'finished opening outer': isHostile } }) };
    expect(found({ machines })).toEqual([[NEVER.pressure, 7]]);
  });

  test('a sensor of a missing instance', () => {
    const lost = choose<string>('?', ['opening outer'], ({ sensor }) =>
      sensor('bay')?.state === 'hostile' ? 'opening outer' : 'opening outer',
    );
    const machines = { airlock: put({ 'closed pressurized': { 'ask open outer': lost } }) };
    expect(found({ machines })).toEqual([
      ['airlock-A reads bay, which is not in the composition', 1],
    ]);
  });

  test('a race of simultaneous steps: the environment and an airlock do not read the deck', () => {
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
