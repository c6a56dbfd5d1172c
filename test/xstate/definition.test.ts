/** Features of XState that fromXState refuses, and the snapshots that belong to a definition. */
import {
  assign,
  createMachine,
  emit,
  enqueueActions,
  fromCallback,
  fromObservable,
  fromPromise,
  fromTransition,
  log,
  setup,
  spawnChild,
  type AnyStateMachine,
} from 'xstate';
import { expect, test } from 'vitest';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry, resolveState } from '../../src/machine/registry.ts';
import { fromXState } from '../../src/xstate/index.ts';
import { LIGHT, OVEN, begun, sent, ticked } from './machines.ts';

const five = fromPromise(() => Promise.resolve(5));
const inA = (a: object, more: object = {}): AnyStateMachine =>
  createMachine({ initial: 'a', states: { a, b: {} }, ...more } as never);
const problemsOf = (definition: unknown): unknown => {
  try {
    fromXState(definition as AnyStateMachine, { name: 'm' });
  } catch (error) {
    const { code, facts } = error as { code: string; facts: { problems: unknown } };
    return code === 'bad-machine' ? facts.problems : error;
  }
  return undefined;
};

const SIDE_EFFECTS = 'has side effects, which only an invoked promise may have';
const notPromise = (src: string): string =>
  `state a, invoke: ${src} is not made with fromPromise(…); no other actors are supported`;

test.each([
  ['a callback', inA({ invoke: { src: fromCallback(() => {}) } })],
  [
    'an observable',
    inA({ invoke: { src: fromObservable(() => ({ subscribe: () => {} }) as never) } }),
  ],
  ['a transition', inA({ invoke: { src: fromTransition((state) => state, {}) } })],
  ['a machine', inA({ invoke: { src: createMachine({}) } })],
])('%s as an actor', (_, definition) => {
  expect(problemsOf(definition)).toEqual([notPromise('its actor')]);
});

test.each([
  ['an actor that there is not', inA({ invoke: { src: 'gone' } }), notPromise('actor gone')],
  [
    'two at once',
    inA({ invoke: [{ src: five }, { src: five }] }),
    'state a invokes 2 actors; one promise runs at a time',
  ],
  [
    'an action of its own',
    inA({ entry: function shout() {} }),
    `state a, entry: action shout ${SIDE_EFFECTS}`,
  ],
  ['one on the way out', inA({ exit: () => {} }), `state a, exit: a function ${SIDE_EFFECTS}`],
  [
    'one of a transition',
    inA({ on: { go: { actions: log('gone') } } }),
    `state a, go: action xstate.log ${SIDE_EFFECTS}`,
  ],
  [
    'one of always',
    inA({ always: { target: 'b', actions: emit({ type: 'x' }) } }),
    `state a, always: action xstate.emit ${SIDE_EFFECTS}`,
  ],
  [
    'one that spawns',
    inA({ entry: spawnChild(five) }),
    `state a, entry: action xstate.spawnChild ${SIDE_EFFECTS}`,
  ],
  [
    'one of the machine itself',
    inA({}, { entry: [() => {}] }),
    `the machine, entry: a function ${SIDE_EFFECTS}`,
  ],
  ['one that there is not', inA({ entry: 'shout' }), 'state a, entry: there is no action shout'],
  [
    'one with a name',
    inA({ entry: { type: 'shout' } }).provide({ actions: { shout: () => {} } } as never),
    `state a, entry: action shout ${SIDE_EFFECTS}`,
  ],
  ['an unknown delay', inA({ after: { soon: 'b' } }), 'state a, after: there is no delay soon'],
])('%s', (_, definition, problem) => {
  expect(problemsOf(definition)).toEqual([problem]);
});

test('reports all problems in one error', () => {
  const definition = inA({ entry: log('x'), invoke: { src: 'gone' }, after: { soon: 'b' } });
  expect(() => fromXState(definition, { name: 'm' })).toThrow(/^machine m:(\n {2}state a, .*){3}$/);
});

test.each([undefined, null, {}, 'light', LIGHT, createMachine])(
  '%s is not an XState machine',
  (value) => {
    expect(problemsOf(value)).toEqual(['expected a machine made with createMachine of XState 5']);
  },
);

test.each([
  [{ name: 'a b' }, 'not a valid machine name'],
  [{ name: 'm', version: '1 2' }, 'is not a valid version'],
  [{ name: 'm', timeout: 'soon' }, 'timeout'],
  [{ name: 'm', tock: 1 }, 'unknown key tock'],
])('%j', (options, reason) => {
  expect(() => fromXState(createMachine({}), options)).toThrow(reason);
});

test('reports a definition that cannot be hashed', () => {
  const context: { self?: unknown } = {};
  context.self = context;
  expect(problemsOf(createMachine({ context }))).toEqual([
    expect.stringContaining('cannot hash its definition'),
  ]);
});

test('checks enqueued actions when they are run', async () => {
  const enqueued = inA({
    on: {
      good: { actions: enqueueActions(({ enqueue }) => enqueue.assign({ x: 1 })) },
      bad: { actions: enqueueActions(({ enqueue }) => enqueue(function shout() {})) },
      spawn: {
        actions: assign({ x: ({ spawn }) => spawn('five' as never, { id: 'late' } as never) }),
      },
    },
  });
  const actors = { five } as never;
  const m = fromXState(enqueued.provide({ actors }), { name: 'm' });
  const at = await begun(m);
  expect(sent(m, at, 'good')).toMatchObject({
    outcome: 'Ok',
    payload: { snapshot: { context: { x: 1 } } },
  });
  expect(sent(m, at, 'bad')).toEqual({
    outcome: 'InternalError',
    reason: `action shout ${SIDE_EFFECTS}`,
  });
  expect(sent(m, at, 'spawn')).toEqual({
    outcome: 'InternalError',
    reason: 'actor late is spawned, not invoked',
  });
});

test('an error in the first tick is fatal', async () => {
  const context = (): never => {
    throw new Error('no context');
  };
  const m = fromXState(createMachine({ context }), { name: 'm' });
  await expect(ticked(m, { state: 'm', payload: {} })).rejects.toThrow('no context');
});

const version = (name: string, change: object = {}): ReturnType<typeof fromXState> =>
  fromXState(
    setup({ guards: { yes: () => true } }).createMachine({
      initial: 'a',
      states: { a: { on: { go: 'b' }, ...change }, b: {} },
    } as never) as unknown as AnyStateMachine,
    { name: 'm', version: name },
  );

test.each([
  ['a delay', { after: { 10: 'b' } }],
  ['a guard', { on: { go: { target: 'b', guard: 'yes' } } }],
  ['another assign', { entry: assign({ x: 1 }) }],
  ['a target', { on: { go: 'a' } }],
])('%s changes the definition', async (_, change) => {
  const at = await begun(version('1'));
  const placed = version('2', change).lookup(at);
  expect(placed).toMatchObject({ kind: 'not-found', code: 'other-definition' });
  expect(version('2').lookup(at)).toMatchObject({ kind: 'waiting' });
});

test('each of several versions continues its own instances', async () => {
  const [one, two] = [version('1'), version('2', { entry: assign({ x: 1 }) })];
  const { state, payload } = await begun(one);
  const registry = createRegistry([one, two]);
  const resolve = (file: object): unknown =>
    resolveState(registry, { state, payload, machine: 'm', ...file });
  expect(resolve({})).toMatchObject({ ok: true, machine: one });
  expect(resolve({ machine: 'm:2' })).toMatchObject({ ok: false, code: 'other-definition' });
  expect(resolve({ state: 'm', payload: {} })).toMatchObject({ ok: true, machine: two });
});

test.each([
  ['another state than the first', { state: 'green', payload: {} }, 'begins in state "light"'],
  [
    'a snapshot without a value',
    { state: 'green', payload: { xstate: '', snapshot: { children: {} }, timers: [], set: 0 } },
    'begins in state "light"',
  ],
  [
    'an invalid timer',
    {
      state: 'green',
      payload: { xstate: '', snapshot: { children: {}, value: 'green' }, timers: [null], set: 0 },
    },
    'begins in state "light"',
  ],
  ['an invalid payload', { state: 'green', payload: 5 }, 'begins in state "light"'],
])('%s', (_, at, reason) => {
  expect(LIGHT.lookup(at)).toMatchObject({
    kind: 'not-found',
    code: 'unknown-state',
    reason: expect.stringContaining(reason),
  });
});

test('refuses a state that differs from its snapshot', async () => {
  const { payload } = await begun(OVEN);
  expect(OVEN.lookup({ state: 'door.wide & lamp.on', payload })).toMatchObject({
    kind: 'not-found',
    reason:
      'machine oven is not in "door.wide & lamp.on": its snapshot is of "door.shut & lamp.on"',
  });
});

test('leaves other machines unchanged', () => {
  const plain = machine({ name: 'm', activities: { a: () => ({ kind: 'done' }) } });
  expect(plain.lookup({ state: 'm', payload: {} })).toMatchObject({ kind: 'runnable', state: 'a' });
  expect(sent(plain, { state: 'a', payload: {} }, 'go')).toMatchObject({
    outcome: 'EventNotAllowed',
  });
});
