import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decide, type Decision, type Rules } from '../../src/machine/decide.ts';
import { machine } from '../../src/machine/machine.ts';
import { choose, impossible, same, type InstanceSnapshot } from '../../src/machine/table.ts';

const RULES: Rules = {
  table: {
    shut: {
      push: 'open',
      wait: same,
      pull: impossible,
      again: 'shut',
      follow: choose('goal', ['open', same], ({ goal }) => (goal === 'out' ? 'open' : same)),
      look: choose('bay', ['open', impossible], ({ sensor }) =>
        sensor('bay')?.state === 'hostile' ? 'open' : impossible,
      ),
      lie: choose('lies', ['open'], () => 'elsewhere' as 'open'),
      fail: choose('fails', ['open'], () => {
        throw new Error('no such luck');
      }),
      constructor: 'open',
    },
    open: {},
  },
  goals: { push: 'out', wait: 'in', follow: 'out' },
  before: undefined,
  after: undefined,
  activities: new Map(),
};
const noSensor = (): undefined => undefined;
interface Found extends Partial<InstanceSnapshot> {
  readonly rules?: Rules;
  readonly sensor?: (instance: string) => InstanceSnapshot | undefined;
}
const at = (
  event: string,
  { rules = RULES, payload = { n: 1 }, state = 'shut', sensor = noSensor }: Found = {},
): Decision => decide(rules, 'door', { state, payload }, { event, details: { by: 'me' } }, sensor);

describe('decide', () => {
  test('moves the instance and sets its goal', () => {
    expect(at('push')).toEqual({
      outcome: 'Ok',
      state: 'open',
      payload: { n: 1, goal: 'out' },
      moved: true,
      emit: [],
    });
  });

  test('changes only the goal for same', () => {
    expect(at('wait')).toMatchObject({
      state: 'shut',
      payload: { n: 1, goal: 'in' },
      moved: false,
    });
  });

  test('counts a transition to the same state as a move', () => {
    expect(at('again')).toMatchObject({ outcome: 'Ok', state: 'shut', moved: true });
  });

  test('shows a choice the new goal and the old payload', () => {
    expect(at('follow', { payload: { goal: 'in' } })).toMatchObject({
      state: 'open',
      payload: { goal: 'out' },
    });
  });

  test('shows a choice other instances', () => {
    const bay = (state: string) => (one: string) =>
      one === 'bay' ? { state, payload: {} } : undefined;
    expect(at('look', { sensor: bay('hostile') })).toMatchObject({ state: 'open' });
    expect(at('look', { sensor: bay('friendly') })).toMatchObject({ outcome: 'EventNotAllowed' });
    expect(at('look')).toMatchObject({ outcome: 'EventNotAllowed' });
  });

  test.each([
    ['pull', {}, 'EventNotAllowed', 'pull is impossible in state shut'],
    ['kick', {}, 'EventNotAllowed', 'there is no event kick'],
    ['toString', {}, 'EventNotAllowed', 'there is no event toString'],
    ['push', { state: 'ajar' }, 'InternalError', 'there is no state ajar'],
    ['push', { state: 'constructor' }, 'InternalError', 'there is no state constructor'],
    ['lie', {}, 'InternalError', '"lies" chose elsewhere, which is not among open'],
    ['fail', {}, 'InternalError', 'no such luck'],
    ['push', { payload: [1] }, 'InternalError', 'cannot keep the goal'],
    ['push', { payload: null }, 'InternalError', 'cannot keep the goal'],
  ])('refuses %s %o', (event, more, outcome, reason) => {
    expect(at(event, more)).toEqual({ outcome, reason: expect.stringContaining(reason) });
  });

  test('accepts a payload that is not an object if there is no goal', () => {
    expect(at('constructor', { payload: 5 })).toMatchObject({ outcome: 'Ok', payload: 5 });
  });
});

describe('hooks', () => {
  const seen: unknown[] = [];
  const hooked = (more: Partial<Rules>): { rules: Rules } => ({ rules: { ...RULES, ...more } });

  test('before gets the target state and may veto', () => {
    const before: Rules['before'] = (transition) => {
      seen.push({ ...transition, sensor: undefined });
      return 'the bay is closed';
    };
    expect(at('push', hooked({ before }))).toEqual({
      outcome: 'TransitionNotAllowed',
      reason: 'the bay is closed',
    });
    expect(seen).toEqual([
      {
        instance: 'door',
        state: 'shut',
        to: 'open',
        event: 'push',
        payload: { n: 1 },
        details: { by: 'me' },
        goal: 'out',
        sensor: undefined,
      },
    ]);
  });

  test('are not called for same and impossible', () => {
    const never = (): never => {
      throw new Error('asked');
    };
    expect(at('wait', hooked({ before: never, after: never })).outcome).toBe('Ok');
  });

  test('after returns the events to send', () => {
    const emit = [{ to: 'bay', event: 'knock', details: 1 }];
    expect(at('push', hooked({ after: () => emit }))).toMatchObject({ outcome: 'Ok', emit });
    expect(at('push', hooked({ after: (() => undefined) as never }))).toMatchObject({ emit: [] });
  });

  test('after names an activity to run', () => {
    const job = machine({ name: 'job', activities: { announce: () => undefined as never } });
    const { activities } = job;
    const emit = [{ to: 'bay', event: 'knock' }];
    const after = (): [{ run: string }, (typeof emit)[0]] => [{ run: 'announce' }, emit[0]!];
    expect(at('push', hooked({ after, activities }))).toEqual({
      outcome: 'Ok',
      state: 'open',
      payload: { n: 1, goal: 'out' },
      moved: true,
      emit,
      run: 'announce',
    });
    expect(at('push', hooked({ after }))).toEqual({
      outcome: 'InternalError',
      reason: 'after runs announce, which is not in hooks.activities; there are none',
    });
    const twice: Rules['after'] = () => [{ run: 'announce' }, { run: 'announce' }];
    expect(at('push', hooked({ after: twice, activities }))).toMatchObject({
      reason: 'after must run one activity at most, got announce, announce',
    });
  });

  test.each([
    ['before', false],
    ['before', Promise.resolve()],
    ['after', Promise.resolve([])],
    ['after', { to: 'bay', event: 'knock' }],
    ['after', [{ event: 'knock' }]],
    ['after', [null]],
    ['after', { run: 'announce' }],
    ['after', [{ run: 1 }]],
    ['after', [{ run: 'announce', to: 'bay' }]],
  ])('%s: %o is an InternalError', (hook, answer) => {
    expect(at('push', hooked({ [hook]: () => answer }))).toMatchObject({
      outcome: 'InternalError',
    });
  });
});

test('never throws, and does not mutate its arguments', () => {
  const events = fc.oneof(fc.constantFrom(...Object.keys(RULES.table['shut']!)), fc.string());
  fc.assert(
    fc.property(
      events,
      fc.constantFrom('shut', 'open', '__proto__'),
      fc.jsonValue(),
      (event, state, json) => {
        const payload = json as InstanceSnapshot['payload'];
        const before = JSON.stringify(payload);
        const decision = at(event, { state, payload });
        expect(typeof decision.outcome).toBe('string');
        expect(JSON.stringify(payload)).toBe(before);
      },
    ),
  );
});
