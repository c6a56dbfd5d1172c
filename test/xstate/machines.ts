/** XState machines for several tests. */
import { assign, cancel, fromPromise, raise, sendTo, setup, type AnyActorRef } from 'xstate';
import type { Answer } from '../../src/machine/answer.ts';
import type { Decision } from '../../src/machine/decide.ts';
import type { Json, Machine, TickContext } from '../../src/machine/definition.ts';
import type { EventFile } from '../../src/machine/event.ts';
import { fromXState } from '../../src/xstate/index.ts';

export const LIGHT: Machine = fromXState(
  setup({}).createMachine({
    initial: 'green',
    states: {
      green: { after: { 60_000: 'yellow' }, on: { button: 'yellow' } },
      yellow: { after: { 3000: 'red' } },
      red: {
        after: { 60_000: 'green' },
        initial: 'walk',
        states: {
          walk: { after: { 40_000: 'wait' }, on: { hurry: 'wait' } },
          wait: { on: { again: 'walk' } },
        },
      },
    },
  }),
  { name: 'light' },
);

const HEATING: { context: { heat: number; log: string[] }; input?: { heat?: number } } = {
  context: { heat: 0, log: [] },
};

export const OVEN: Machine = fromXState(
  setup({
    types: HEATING,
  }).createMachine({
    type: 'parallel',
    context: ({ input }) => ({ heat: input?.heat ?? 0, log: [] }),
    states: {
      door: { initial: 'shut', states: { shut: { on: { open: 'wide' } }, wide: {} } },
      lamp: { initial: 'on', states: { on: {}, off: {} } },
    },
    on: {
      heat: {
        guard: ({ event, context }) => event['by'] + context.heat <= 250,
        actions: assign({ heat: ({ context, event }) => context.heat + event['by'] }),
      },
      bell: { actions: raise({ type: 'rung' }, { delay: 5000, id: 'bell' }) },
      twice: {
        actions: [
          raise({ type: 'rung' }, { delay: 5000, id: 'bell' }),
          cancel('bell'),
          raise({ type: 'rung', how: 'softly' }, { delay: 7000 }),
        ],
      },
      hush: { actions: cancel('bell') },
      rung: { actions: assign({ log: ({ context }) => [...context.log, 'rung'] }) },
      self: { actions: sendTo(({ self }) => self, { type: 'rung' }) },
      never: { actions: raise({ type: 'rung' }, { delay: Number.NaN }) },
      seen: { actions: assign({ heat: () => new Set(['x']) as never }) },
      bad: {
        actions: assign(() => {
          throw new Error('burnt');
        }),
      },
      big: { actions: assign({ heat: 10n as unknown as number }) },
      nothing: {},
      other: { actions: sendTo(() => ({}) as AnyActorRef, { type: 'rung' }) },
      impure: {
        actions: assign(({ context }) => {
          context.log.push('by hand');
          return {};
        }),
      },
    },
  }),
  { name: 'oven' },
);

export const ORDER: Machine = fromXState(
  setup({
    actors: {
      pay: fromPromise<{ receipt: number }, { sum: number }>(({ input, signal }) => {
        if (input.sum < 0) return Promise.reject(new TypeError('less than nothing'));
        if (input.sum > 0) return Promise.resolve({ receipt: input.sum * 2 });
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')));
        });
      }),
    },
    types: { context: {} as { sum: number; receipt?: number; error?: unknown } },
  }).createMachine({
    context: { sum: 0 },
    initial: 'open',
    output: ({ context }) => context.receipt,
    states: {
      open: {
        on: { pay: { target: 'paying', actions: assign(({ event }) => ({ sum: event['sum'] })) } },
      },
      paying: {
        after: { 1000: { actions: [] } },
        on: { stay: {} },
        invoke: {
          id: 'pay',
          src: 'pay',
          input: ({ context }) => ({ sum: context.sum }),
          onDone: {
            target: 'paid',
            actions: assign({ receipt: ({ event }) => event.output.receipt }),
          },
          onError: { target: 'refused', actions: assign({ error: ({ event }) => event.error }) },
        },
      },
      refused: { on: { again: 'paying' } },
      paid: { type: 'final' },
    },
  }),
  { name: 'order' },
);

/** State and payload of an instance. */
export interface At {
  readonly state: string;
  readonly payload: Json;
}

/** The answer of the machine's tick. */
export function ticked(
  machine: Machine,
  at: At,
  signal: AbortSignal = new AbortController().signal,
): Promise<Answer> {
  const placed = machine.lookup(at);
  if (placed.kind !== 'runnable' || placed.activity.kind !== 'tick') throw new Error(placed.kind);
  const { state, payload } = at;
  const context = { instance: 'it', state, payload, signal } as unknown as TickContext;
  return Promise.resolve(placed.activity.tick(context));
}

/** Ticks the instance until it waits. */
async function settle(machine: Machine, at: At): Promise<At> {
  let now = at;
  while (machine.lookup(now).kind === 'runnable') {
    const answer = await ticked(machine, now);
    if (answer.kind !== 'next') throw new Error(`it has come to its end in ${now.state}`);
    now = { state: answer.state, payload: answer.payload! };
  }
  return now;
}

export const begun = (machine: Machine, input: Json = {}): Promise<At> =>
  settle(machine, { state: machine.name, payload: input });

export function sent(machine: Machine, at: At, event: string | EventFile): Decision {
  const file = typeof event === 'string' ? { event } : event;
  return machine.decide('it', { ...at, since: undefined }, file, () => undefined);
}

/** The result of an event that must be accepted. */
export function moved(
  machine: Machine,
  at: At,
  event: string | EventFile,
): Extract<Decision, { outcome: 'Ok' }> {
  const decision = sent(machine, at, event);
  if (decision.outcome !== 'Ok') throw new Error(decision.reason);
  return decision;
}
