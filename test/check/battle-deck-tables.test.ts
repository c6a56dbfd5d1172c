/** Every cell of the battle deck's four machines against the tables of its specification. */
import { describe, expect, test } from 'vitest';
import { airlock } from '../../examples/battle-deck/machines/airlock.ts';
import { bayDoor } from '../../examples/battle-deck/machines/bay-door.ts';
import { bayEnvironment } from '../../examples/battle-deck/machines/bay-environment.ts';
import { deck } from '../../examples/battle-deck/machines/deck.ts';
import { decide } from '../../src/machine/decide.ts';
import type { Machine } from '../../src/machine/definition.ts';

/** `·` nothing changes, `✗` impossible, else the target; `h`: if the environment is hostile. */
const DOOR = `
|         | open requested | close requested | finished opening | finished closing |
| open    | ·              | closing         | ✗                | ✗                |
| closed  | opening        | ·               | ✗                | ✗                |
| opening | ·              | closing         | open             | ✗                |
| closing | opening        | ·               | ✗                | closed           |`;

const ENVIRONMENT = `
|                | friendly requested | hostile requested | finished pressurizing | finished heating | finished depressurizing | leak    |
| friendly       | ·                  | depressurizing    | ✗                     | ✗                | ✗                       | hostile |
| hostile        | pressurizing       | ·                 | ✗                     | ✗                | ✗                       | ·       |
| pressurizing   | ·                  | depressurizing    | heating               | ✗                | ✗                       | hostile |
| heating        | ·                  | depressurizing    | ✗                     | friendly         | ✗                       | hostile |
| depressurizing | pressurizing       | ·                 | ✗                     | ✗                | hostile                 | hostile |`;

const AIRLOCK = `
|                      | ask open outer                     | ask open inner | finished pressurizing | finished depressurizing | finished opening outer                     | finished opening inner | finished closing outer | finished closing inner |
| closed pressurized   | h depressurizing / opening outer   | opening inner  | ✗                     | ✗                       | ✗                                          | ✗                      | ✗                      | ✗                      |
| closed depressurized | h opening outer / pressurizing     | pressurizing   | ✗                     | ✗                       | ✗                                          | ✗                      | ✗                      | ✗                      |
| opening outer        | ·                                  | closing outer  | ✗                     | ✗                       | h outer open hostile / outer open friendly | ✗                      | ✗                      | ✗                      |
| opening inner        | closing inner                      | ·              | ✗                     | ✗                       | ✗                                          | inner open             | ✗                      | ✗                      |
| closing outer        | opening outer                      | ·              | ✗                     | ✗                       | ✗                                          | ✗                      | goal                   | ✗                      |
| closing inner        | ·                                  | opening inner  | ✗                     | ✗                       | ✗                                          | ✗                      | ✗                      | goal                   |
| pressurizing         | new depressurizing / ·             | ·              | goal                  | ✗                       | ✗                                          | ✗                      | ✗                      | ✗                      |
| depressurizing       | new pressurizing / ·               | pressurizing   | ✗                     | goal                    | ✗                                          | ✗                      | ✗                      | ✗                      |
| inner open           | closing inner                      | ·              | ✗                     | ✗                       | ✗                                          | ✗                      | ✗                      | ✗                      |
| outer open friendly  | ·                                  | closing outer  | ✗                     | ✗                       | ✗                                          | ✗                      | ✗                      | ✗                      |
| outer open hostile   | ·                                  | closing outer  | ✗                     | ✗                       | ✗                                          | ✗                      | ✗                      | ✗                      |`;

const DECK = `
|            | active requested | ready requested | relaxed requested | now active | now ready | now relaxed |
| active     | ·                | readying        | relaxing          | ✗          | ✗         | ✗           |
| ready      | activating       | ·               | relaxing          | ✗          | ✗         | ✗           |
| relaxed    | activating       | readying        | ·                 | ✗          | ✗         | ✗           |
| activating | ·                | readying        | relaxing          | active     | ✗         | ✗           |
| readying   | activating       | ·               | relaxing          | ✗          | ready     | ✗           |
| relaxing   | activating       | readying        | ·                 | ✗          | ✗         | relaxed     |`;

interface Situation {
  readonly bay: 'friendly' | 'hostile' | 'pressurizing' | 'heating' | 'depressurizing';
  readonly goal: 'inner open' | 'outer open';
}

/** The next step toward the goal, from each state that has a `goal` cell. */
const TOWARD: Readonly<Record<string, (situation: Situation) => string>> = {
  'closing outer': ({ goal, bay }) => {
    if (goal === 'outer open') return 'opening outer';
    return bay === 'friendly' ? 'opening inner' : 'pressurizing';
  },
  'closing inner': ({ goal, bay }) => {
    if (goal === 'inner open') return 'opening inner';
    return bay === 'hostile' ? 'depressurizing' : 'opening outer';
  },
  pressurizing: ({ goal, bay }) => {
    if (goal === 'inner open') return 'opening inner';
    return bay === 'hostile' ? 'depressurizing' : 'opening outer';
  },
  depressurizing: ({ goal, bay }) =>
    goal === 'outer open' && bay === 'hostile' ? 'opening outer' : 'pressurizing',
};

const BAYS = ['friendly', 'hostile', 'pressurizing', 'heating', 'depressurizing'] as const;
const SITUATIONS: readonly Situation[] = BAYS.flatMap((bay): Situation[] => [
  { bay, goal: 'inner open' },
  { bay, goal: 'outer open' },
]);

interface Row {
  readonly state: string;
  readonly cells: ReadonlyMap<string, string>;
}

function parse(drawn: string): { events: string[]; rows: Row[] } {
  const lines = drawn.trim().split('\n');
  const [[, ...events] = [], ...rows] = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((text) => text.trim()),
  );
  return {
    events,
    rows: rows.map(([state = '', ...cells]) => ({
      state,
      cells: new Map(events.map((event, at) => [event, cells[at]!])),
    })),
  };
}

function expected(cell: string, state: string, { bay, goal }: Situation): string {
  const [, condition, yes = '', no = ''] = /^(h|new) (.+) \/ (.+)$/.exec(cell) ?? [];
  if (condition === 'h') return bay === 'hostile' ? yes : no;
  if (condition === 'new') return goal === 'outer open' ? no : yes;
  return cell === 'goal' ? TOWARD[state]!({ bay, goal }) : cell;
}

function actual(machine: Machine, state: string, event: string, { bay, goal }: Situation): string {
  const sensor = (name: string) =>
    name === 'environment' ? { state: bay, payload: {} } : undefined;
  const reading = { state, payload: { goal } };
  const decision = decide(machine.rules!, 'it', reading, { event, details: {} }, sensor);
  if (decision.outcome === 'EventNotAllowed') return '✗';
  if (decision.outcome !== 'Ok') return decision.reason;
  return decision.moved ? decision.state : '·';
}

describe.each([
  ['bay door', DOOR, bayDoor(() => undefined), 16],
  ['bay environment', ENVIRONMENT, bayEnvironment(() => undefined), 30],
  ['airlock', AIRLOCK, airlock(() => undefined), 88],
  ['deck', DECK, deck({}), 36],
] as const)('%s', (_, drawn, machine, size) => {
  const { events, rows } = parse(drawn);
  const pairs = rows.flatMap(({ state, cells }) =>
    [...cells].map(([event, cell]) => [state, event, cell] as const),
  );

  test('has the states, events and cells of the table', () => {
    expect(pairs).toHaveLength(size);
    expect([...machine.kinds.keys()].sort()).toEqual(rows.map(({ state }) => state).sort());
    expect(machine.events.toSorted()).toEqual(events.toSorted());
    for (const row of Object.values(machine.rules!.table))
      expect(Object.keys(row).sort()).toEqual(events.toSorted());
  });

  test.each(pairs)('%s × %s: %s', (state, event, cell) => {
    for (const situation of SITUATIONS) {
      expect(actual(machine, state, event, situation), JSON.stringify(situation)).toBe(
        expected(cell, state, situation),
      );
    }
  });

  test('each target is reached by the pairs of the table', () => {
    for (const situation of SITUATIONS) {
      const into = (of: (state: string, event: string, cell: string) => string) =>
        Map.groupBy(
          pairs.map(([state, event, cell]) => [of(state, event, cell), `${state} × ${event}`]),
          ([target]) => target,
        );
      expect(into((state, event) => actual(machine, state, event, situation))).toEqual(
        into((state, _event, cell) => expected(cell, state, situation)),
      );
    }
  });
});

test('an airlock keeps its goal from request to request', () => {
  const machine = airlock(() => undefined);
  const sensor = () => ({ state: 'friendly', payload: {} });
  const ask = (event: string) =>
    decide(
      machine.rules!,
      'it',
      { state: 'opening inner', payload: {} },
      { event, details: {} },
      sensor,
    );
  expect(ask('ask open outer')).toMatchObject({ payload: { goal: 'outer open' } });
  expect(ask('ask open inner')).toMatchObject({ payload: { goal: 'inner open' }, moved: false });
});
