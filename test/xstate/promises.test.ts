/** XState machines whose states invoke promises. */
import { assign, fromPromise, setup, type AnyStateMachine } from 'xstate';
import { expect, test } from 'vitest';
import { fromXState } from '../../src/xstate/index.ts';
import { ORDER, begun, moved, ticked, type At } from './machines.ts';

const paying = async (sum: number): Promise<At> =>
  moved(ORDER, await begun(ORDER), { event: 'pay', details: { sum } });

test('an invoked promise is the activity of its state; its result is part of the same step', async () => {
  const at = await paying(21);
  expect(ORDER.lookup(at)).toMatchObject({ kind: 'runnable', state: 'paying' });
  expect(await ticked(ORDER, at)).toEqual({ kind: 'done', output: 42 });
});

test('a rejected promise leads to onError, with the error as data', async () => {
  const answer = await ticked(ORDER, await paying(-1));
  const error = { name: 'TypeError', message: 'less than nothing' };
  expect(answer).toMatchObject({
    kind: 'next',
    state: 'refused',
    payload: { timers: [], snapshot: { children: {}, context: { error } } },
  });
});

test('a promise runs on each entry of its state', async () => {
  const answer = await ticked(ORDER, await paying(-1));
  if (answer.kind !== 'next') throw new Error(answer.kind);
  const again = moved(ORDER, { state: answer.state, payload: answer.payload! }, 'again');
  expect(ORDER.lookup(again)).toMatchObject({ kind: 'runnable', state: 'paying' });
});

test('an aborted promise is stopped and has no result', async () => {
  const abort = new AbortController();
  const answer = ticked(ORDER, await paying(0), abort.signal);
  abort.abort(new Error('taken back'));
  await expect(answer).rejects.toThrow('taken back');
});

const fetching = (more: object): AnyStateMachine =>
  setup({
    types: { context: {} as { value: unknown } },
    actors: {
      five: fromPromise(() => Promise.resolve(5)),
      bad: fromPromise(() => Promise.reject(new Error('no luck'))),
      hasty: fromPromise(() => {
        throw new Error('too soon');
      }),
    },
  }).createMachine({ context: { value: null }, ...more } as never) as unknown as AnyStateMachine;

const begin = async (config: object) => {
  const machine = fromXState(fetching(config), { name: 'fetch' });
  const answer = await ticked(machine, { state: 'fetch', payload: {} });
  if (answer.kind !== 'next') throw new Error(answer.kind);
  return { machine, at: { state: answer.state, payload: answer.payload! } };
};

test('a promise runs once if its result does not leave the state', async () => {
  const onDone = { actions: assign(({ event }) => ({ value: event['output'] })) };
  const config = { initial: 'a', states: { a: { invoke: { src: 'five', onDone } } } };
  const { machine, at } = await begin(config);
  const answer = await ticked(machine, at);
  if (answer.kind !== 'next') throw new Error(answer.kind);
  expect(answer).toMatchObject({ state: 'a', payload: { snapshot: { context: { value: 5 } } } });
  expect(machine.lookup({ state: 'a', payload: answer.payload! }).kind).toBe('waiting');
});

test('a promise runs again if its result reenters the state', async () => {
  const invoke = { src: 'five', onDone: { target: 'a', reenter: true } };
  const { machine, at } = await begin({ initial: 'a', states: { a: { invoke } } });
  const answer = await ticked(machine, at);
  if (answer.kind !== 'next') throw new Error(answer.kind);
  expect(machine.lookup({ state: 'a', payload: answer.payload! }).kind).toBe('runnable');
});

test.each([
  ['bad', {}, 'no luck'],
  ['hasty', {}, 'too soon'],
  [
    'five',
    {
      onDone: {
        actions: assign(() => {
          throw new Error('not like this');
        }),
      },
    },
    'not like this',
  ],
  ['five', { onDone: { actions: assign({ value: () => 1n }) } }, 'value is a bigint'],
])('%s with %j fails with a reason', async (src, more, reason) => {
  const config = { initial: 'a', states: { a: { invoke: { src, ...more } } } };
  const { machine, at } = await begin(config);
  await expect(ticked(machine, at)).rejects.toThrow(
    expect.objectContaining({ name: 'FatalError', message: expect.stringContaining(reason) }),
  );
});

test('refuses promises of a state and of its child together', async () => {
  const inner = { initial: 'b', states: { b: { invoke: { src: 'five', id: 'in' } } } };
  const config = { initial: 'a', states: { a: { invoke: { src: 'five', id: 'out' }, ...inner } } };
  const reason = 'the promises out, in would run at once; one runs at a time';
  await expect(begin(config)).rejects.toThrow(reason);
  const idle = { on: { go: 'a' } };
  const { machine, at } = await begin({
    ...config,
    initial: 'idle',
    states: { ...config.states, idle },
  });
  expect(
    machine.decide('it', { ...at, since: undefined }, { event: 'go' }, () => undefined),
  ).toEqual({ outcome: 'InternalError', reason });
});

test('an instance may end in its first tick', async () => {
  const machine = fromXState(
    fetching({ initial: 'z', output: 7, states: { z: { type: 'final' } } }),
    {
      name: 'fetch',
    },
  );
  expect(await ticked(machine, { state: 'fetch', payload: {} })).toEqual({
    kind: 'done',
    output: 7,
  });
});

test('an event that leads to a final state leaves the output to a tick', async () => {
  const config = {
    initial: 'a',
    output: ({ event }: { event: unknown }) => ({ event }),
    states: { a: { on: { end: 'z' } }, z: { type: 'final' } },
  };
  const { machine, at } = await begin(config);
  const z = moved(machine, at, 'end');
  expect(machine.lookup(z)).toMatchObject({ kind: 'runnable', state: 'z' });
  expect(await ticked(machine, z)).toEqual({
    kind: 'done',
    output: { event: { type: 'xstate.done.state.(machine).z' } },
  });
});
