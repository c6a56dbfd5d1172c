import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { done, next } from '../../src/machine/answer.ts';
import type { Machine } from '../../src/machine/definition.ts';
import { UserError } from '../../src/machine/errors.ts';
import { isMachine, machine } from '../../src/machine/machine.ts';
import { createRegistry, resolveState } from '../../src/machine/registry.ts';
import { choose, impossible, same } from '../../src/machine/table.ts';

const STATES = ['open', 'closed', 'closing', 'gone'] as const;
const EVENTS = ['ask', 'finished', 'scrap'] as const;
const TABLE = {
  open: { ask: 'closing', finished: impossible, scrap: same },
  closed: {
    ask: choose('payload.locked', [same, 'open'], ({ payload }) =>
      payload.locked === true ? same : 'open',
    ),
    finished: impossible,
    scrap: 'gone',
  },
  closing: { ask: same, finished: 'closed', scrap: same },
  gone: { ask: impossible, finished: impossible, scrap: 'gone' },
} as const;
const DOOR = {
  name: 'door',
  states: STATES,
  events: EVENTS,
  initial: 'closed',
  table: TABLE,
} as const;

/** Options from JavaScript, unchecked by the compiler. */
const make = (more: object): Machine => machine({ ...DOOR, ...more } as never);
const problemsOf = (more: object): readonly string[] => {
  try {
    make(more);
  } catch (error) {
    expect(error).toMatchObject({ code: 'bad-machine' });
    return (error as UserError).facts['problems'] as string[];
  }
  throw new Error('it was accepted');
};

describe('a machine with a table', () => {
  test('has rules, and keeps the order of states and events', () => {
    const door = machine(DOOR);
    expect(isMachine(door)).toBe(true);
    expect(door).toMatchObject({ name: 'door', initial: 'closed', version: undefined });
    expect([...door.kinds.keys()]).toEqual(STATES);
    expect(door.events).toEqual(EVENTS);
    expect(door.rules).toEqual({
      table: TABLE,
      goals: {},
      before: undefined,
      after: undefined,
      activities: new Map(),
    });
  });

  test('tells runnable, waiting and terminal states apart', () => {
    const door = machine({ ...DOOR, activities: { closing: () => done() } });
    expect(Object.fromEntries(door.kinds)).toEqual({
      open: 'waiting',
      closed: 'waiting',
      closing: 'runnable',
      // It leads only to itself.
      gone: 'terminal',
    });
  });

  test('counts a choice’s targets as ways out', () => {
    const maybe = choose('perhaps', [impossible, 'b'], () => impossible);
    const one = machine({
      name: 'one',
      states: ['a', 'b'],
      events: ['go'],
      initial: 'a',
      table: { a: { go: maybe }, b: { go: same } },
    });
    expect([...one.kinds]).toEqual([
      ['a', 'waiting'],
      ['b', 'terminal'],
    ]);
  });

  test('keeps goals, hooks and timers', () => {
    const before = (): undefined => undefined;
    const after = (): [] => [];
    const door = machine({
      ...DOOR,
      goals: { ask: 'other side' },
      hooks: { before, after },
      after: { closing: { '1m': 'ask', '3s': 'finished' } },
    });
    expect(door.rules).toMatchObject({ goals: { ask: 'other side' }, before, after });
    expect([...door.timers]).toEqual([
      [
        'closing',
        [
          { after: 3000, event: 'finished' },
          { after: 60_000, event: 'ask' },
        ],
      ],
    ]);
  });

  test('is not affected by later changes of its options', () => {
    const table = { a: { go: same } } as { a: { go: typeof same | 'a' } };
    const one = machine({ name: 'one', states: ['a'], events: ['go'], initial: 'a', table });
    table.a.go = 'a';
    expect(one.rules!.table['a']!['go']).toBe(same);
    expect(() => Object.assign(one.rules!.table['a']!, { go: 'a' })).toThrow(TypeError);
  });

  test('accepts any names, even those of Object.prototype', () => {
    const names = fc.oneof(
      fc.constantFrom('__proto__', 'constructor', 'toString', '1', '-1', ' ', '"', 'a\nb'),
      fc.string({ minLength: 1 }),
    );
    const lists = fc.uniqueArray(names, { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(lists, lists, (states, events) => {
        const row = Object.fromEntries(events.map((event) => [event, states.at(-1)!]));
        const table = Object.fromEntries(states.map((state) => [state, row]));
        const one = machine({ name: 'one', states, events, initial: states[0]!, table });
        expect([...one.kinds.keys()]).toEqual(states);
        expect(Object.keys(one.rules!.table).sort()).toEqual([...states].sort());
        expect(one.rules!.table).toEqual(table);
      }),
    );
  });
});

describe('machine() with a table refuses', () => {
  test('every missing pair', () => {
    const { gone: _, ...rest } = TABLE;
    const table = { ...rest, open: { ask: 'closing', scrap: undefined } };
    expect(problemsOf({ table })).toEqual(
      ['open × finished', 'open × scrap', 'gone × ask', 'gone × finished', 'gone × scrap'].map(
        (pair) => `the table, ${pair}: no cell; expected a state, same, impossible or choose(…)`,
      ),
    );
    expect(() => make({ table })).toThrow(/^machine door:\n {2}the table, open × finished/);
  });

  const cell = (one: unknown): object => ({
    table: { ...TABLE, closing: { ...TABLE.closing, finished: one } },
  });
  test.each([
    ['no states', { states: [] }, 'states must not be empty'],
    ['states that are no list', { states: 'open' }, 'states must be a list'],
    ['no events', { events: undefined }, 'events must be a list'],
    ['a state twice', { states: [...STATES, 'open'] }, 'state open is listed twice'],
    ['an event twice', { events: [...EVENTS, 'ask'] }, 'event ask is listed twice'],
    [
      'a state without a name',
      { states: [...STATES, ''] },
      "each state must be non-empty text, got ''",
    ],
    [
      'an event that is no text',
      { events: [...EVENTS, 5] },
      'each event must be non-empty text, got 5',
    ],
    ['no initial state', { initial: undefined }, 'initial: there is no state undefined'],
    ['an initial state that is none', { initial: 'ajar' }, 'no state ajar; there are open, closed'],
    ['no table', { table: undefined }, 'table must be'],
    [
      'a row of an unknown state',
      { table: { ...TABLE, ajar: {} } },
      'the table: there is no state ajar',
    ],
    ['a row that is none', { table: { ...TABLE, open: 5 } }, 'row open: expected'],
    [
      'a column of an unknown event',
      { table: { ...TABLE, open: { ...TABLE.open, kick: same } } },
      'row open: there is no event kick',
    ],
    ['a target that is no state', cell('shut'), 'closing × finished: there is no state shut'],
    ['a target that is no text', cell(5), 'closing × finished: there is no state 5'],
    ['another symbol', cell(Symbol('x')), 'no state Symbol(x)'],
    ['a function as it is', cell(() => 'open'), 'closing × finished: there is no state [function]'],
    ['an object', cell({ decide: () => 'open' }), 'expected a state, same, impossible or choose'],
    [
      'a choice among nothing',
      cell(choose('l', [], () => same)),
      '"l" has no cells to choose among',
    ],
    ['a choice of no state', cell(choose('l', ['shut'], () => 'shut')), 'no state shut'],
    ['a goal of an unknown event', { goals: { kick: 'x' } }, 'goals: there is no event kick'],
    ['a goal that is no text', { goals: { ask: 5 } }, 'each goal must be non-empty text, got 5'],
    ['goals that are a list', { goals: ['ask'] }, 'goals must be'],
    [
      'a timer of an unknown state',
      { after: { ajar: { '3s': 'ask' } } },
      'after: there is no state ajar',
    ],
    ['a timer for an unknown event', { after: { open: { '3s': 'kick' } } }, 'no event kick'],
    ['a timer that is not a valid duration', { after: { open: { soon: 'ask' } } }, 'soon'],
    ['a timer of nothing', { after: { open: { '0s': 'ask' } } }, 'between 1ms'],
    ['a timer beyond any', { after: { open: { '876601h': 'ask' } } }, 'a hundred years'],
    [
      'a timer for what is impossible',
      { after: { open: { '3s': 'finished' } } },
      'finished is impossible there',
    ],
    ['timers that are none', { after: { open: '3s' } }, 'after must be'],
    [
      'an unknown hook',
      { hooks: { during: () => undefined } },
      'unknown key during; expected before, after',
    ],
    ['a hook that is no function', { hooks: { before: 'no' } }, 'hooks.before must be a function'],
    ['hooks that are none', { hooks: () => undefined }, 'hooks must be'],
    [
      'an activity in no state',
      { activities: { ajar: () => done() } },
      'activities: there is no state ajar',
    ],
    [
      'a command that leads nowhere',
      { activities: { open: { run: 'x', next: 'ajar' } } },
      'no state ajar',
    ],
    ['states alone', { table: undefined, events: undefined, initial: undefined }, 'table must be'],
  ])('%s', (_what, more, words) => {
    expect(problemsOf(more).join('\n')).toContain(words);
    expect(problemsOf(more)).toHaveLength(_what === 'states alone' ? 2 : 1);
  });

  test('and reports all problems at once', () => {
    const problems = problemsOf({
      initial: 'ajar',
      after: { open: { soon: 'kick' } },
      goals: { kick: 'x' },
      ...cell('shut'),
    });
    expect(problems).toHaveLength(5);
  });

  test('a pair whose name every object has', () => {
    const cells = (table: object): unknown =>
      problemsOf({ states: ['constructor'], events: ['toString'], initial: 'constructor', table });
    const missing = [expect.stringMatching(/^the table, constructor × toString: no cell/)];
    expect(cells({})).toEqual(missing);
    expect(cells({ constructor: {} })).toEqual(missing);
  });

  test('no machine whose table keys are undefined', () => {
    const plain = machine({
      name: 'one',
      table: undefined,
      activities: { a: () => done() },
    } as never);
    expect(plain.rules).toBeUndefined();
  });

  test('an unknown key', () => {
    expect(() => make({ timers: {} })).toThrow('unknown key timers; expected name, version');
  });

  test('any other options with a UserError', () => {
    const value = fc.oneof(
      fc.anything(),
      fc.constantFrom<unknown>(STATES, EVENTS, TABLE, 'closed', same, impossible),
      fc.dictionary(
        fc.constantFrom(...STATES, ...EVENTS),
        fc.dictionary(fc.constantFrom('3s', ...EVENTS), fc.anything({ withNullPrototype: true })),
      ),
    );
    const key = fc.constantFrom(
      'states',
      'events',
      'initial',
      'table',
      'goals',
      'after',
      'activities',
    );
    fc.assert(
      fc.property(key, value, (name, any) => {
        try {
          make({ [name]: any });
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a state file of a machine with a table', () => {
  const registry = createRegistry([
    machine({ ...DOOR, activities: { closing: () => next('closed') } }),
    machine({
      name: 'open',
      states: ['shut', 'open'],
      events: ['go'],
      initial: 'shut',
      table: { shut: { go: 'open' }, open: { go: impossible } },
    }),
  ]);
  const resolve = (state: string, name?: string): unknown =>
    resolveState(registry, { state, payload: {}, ...(name !== undefined && { machine: name }) });

  test('is runnable where there is an activity', () => {
    expect(resolve('closing', 'door')).toMatchObject({ ok: true, state: 'closing' });
  });

  test.each([
    ['open', 'door', 'waiting', 'open'],
    ['gone', 'door', 'terminal', 'gone'],
    ['door', undefined, 'waiting', 'closed'],
    // The name of the machine, and of one of its states.
    ['open', undefined, 'terminal', 'open'],
  ])('in %s of %s is not runnable', (state, name, kind, resolved) => {
    expect(resolve(state, name)).toMatchObject({ ok: true, kind, state: resolved });
    expect(resolve(state, name)).not.toHaveProperty('activity');
  });

  test('in an unknown state is refused, with a list of states', () => {
    expect(resolve('ajar', 'door')).toMatchObject({
      ok: false,
      code: 'unknown-state',
      reason: expect.stringContaining('no state "ajar"; there are open, closed, closing, gone'),
    });
  });
});

/** Never run: `tsc` checks that each of these lines is an error. */
export function doesNotCompile(): void {
  const rest = { name: 'one', states: ['a', 'b'], events: ['go', 'stop'], initial: 'a' } as const;
  const b = { go: same, stop: 'a' } as const;
  // Compiles.
  machine({ ...rest, table: { a: { go: 'b', stop: choose('l', ['b', same], () => 'b') }, b } });
  // @ts-expect-error -- a cell is missing
  machine({ ...rest, table: { a: { go: 'b' }, b } });
  // @ts-expect-error -- a row is missing
  machine({ ...rest, table: { a: { go: 'b', stop: same } } });
  // @ts-expect-error -- no such target
  machine({ ...rest, table: { a: { go: 'c', stop: same }, b } });
  // @ts-expect-error -- no such target of a choice
  machine({ ...rest, table: { a: { go: choose('l', ['c'], () => 'c'), stop: same }, b } });
  // @ts-expect-error -- no such column
  machine({ ...rest, table: { a: { go: 'b', stop: same, kick: same }, b } });
  // @ts-expect-error -- no such row
  machine({ ...rest, table: { a: { go: 'b', stop: same }, b, c: b } });
  const table = { a: { go: 'b', stop: same }, b } as const;
  // @ts-expect-error -- no such state
  machine({ ...rest, initial: 'c', table });
  // @ts-expect-error -- no such event
  machine({ ...rest, table, goals: { kick: 'x' } });
  // @ts-expect-error -- no such event
  machine({ ...rest, table, after: { a: { '3s': 'kick' } } });
  // @ts-expect-error -- no such state
  machine({ ...rest, table, after: { c: { '3s': 'go' } } });
  // @ts-expect-error -- no such state
  machine({ ...rest, table, activities: { c: () => done() } });
  // @ts-expect-error -- no state is called c
  machine({ ...rest, table, hooks: { before: ({ to }) => (to === 'c' ? 'no' : undefined) } });
  // @ts-expect-error -- a choice answers what it is among
  choose('l', ['a', same], () => 'b');
}
