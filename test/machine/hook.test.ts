/** Activities of hooks: from the decision of an event to the state in which the instance rests. */
import { describe, expect, test } from 'vitest';
import { done, fork, later, next, wait, type Answer } from '../../src/machine/answer.ts';
import type { HookActivity, TableOptions } from '../../src/machine/definition.ts';
import { applyEvents, type EventBatch } from '../../src/machine/event-batch.ts';
import { parseEvent, parseEventName } from '../../src/machine/event.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry, resolveState } from '../../src/machine/registry.ts';
import { MAX_STATE_BYTES, parseStateFile, type StateFile } from '../../src/machine/state-file.ts';
import { effectsOfAnswer } from '../../src/machine/step-effects.ts';
import { same } from '../../src/machine/table.ts';

const FINISHED = '2026-11-25T23:49:16.007Z';
const OPTIONS: TableOptions = {
  name: 'gate',
  states: ['shut', 'open', 'gone'],
  events: ['open', 'shut', 'look', 'scrap'],
  initial: 'shut',
  table: {
    shut: { open: 'open', shut: same, look: same, scrap: 'gone' },
    open: { open: 'open', shut: 'shut', look: same, scrap: 'gone' },
    gone: { open: same, shut: same, look: same, scrap: same },
  },
  after: { open: { '3s': 'shut' } },
  hooks: {
    after: ({ to }) => (to === 'shut' ? [] : [{ to: 'bell', event: 'ring' }, { run: 'announce' }]),
    activities: { announce: () => undefined },
  },
};
const GATE = machine(OPTIONS);
const REGISTRY = createRegistry([GATE]);
const HOOK = { run: 'announce', from: 'shut', event: 'open', details: { by: 'me' } };
const PENDING: StateFile = { state: 'open', machine: 'gate', payload: { n: 1 }, hook: HOOK };

function apply(...events: (string | object)[]): EventBatch {
  return applyEvents({
    machine: GATE,
    instance: 'x',
    name: 'x.state-4',
    file: { state: 'shut', machine: 'gate', payload: { n: 1 }, 'x-a': 1 },
    state: 'shut',
    events: events.map((event, index) => ({
      file: `20261125T234916.007Z~e${index}@x`,
      id: `e${index}`,
      content: JSON.stringify(typeof event === 'string' ? { event } : event),
    })),
    sensor: () => undefined,
    finished: FINISHED,
  });
}

function parsed(content: string | undefined): StateFile {
  const read = parseStateFile(new TextEncoder().encode(content));
  if (!read.ok) throw new Error(read.reason);
  return read.file;
}

const emitted = (emit: EventBatch['emit']): unknown[] =>
  emit.map(({ name, content }) => [parseEventName(name)!.to, parseEvent(content)]);

describe('a transition whose hook runs an activity', () => {
  test('leads to its state, with the activity to run, and sets no timer', () => {
    const batch = apply({ event: 'open', details: { by: 'me' } });
    expect(batch.rests).toBe(false);
    expect(parsed(batch.next.content)).toEqual({ ...PENDING, 'x-a': 1 });
    expect(emitted(batch.emit)).toMatchObject([['bell', { event: 'ring' }]]);
  });

  test('ends the batch', () => {
    const batch = apply('look', 'shut', 'look');
    expect(batch.events).toHaveLength(3);
    const ended = apply('open', 'look', 'shut');
    expect(ended.events).toMatchObject([{ id: 'e0', to: 'open' }]);
    expect(parsed(ended.next.content).hook).toEqual({
      run: 'announce',
      from: 'shut',
      event: 'open',
    });
  });

  test('is refused when the successor would be too large with the details', () => {
    const details = 'x'.repeat(MAX_STATE_BYTES - 60);
    const batch = apply({ event: 'open', details });
    expect(batch.events).toMatchObject([{ outcome: 'InternalError' }]);
    expect(parsed(batch.next.content)).not.toHaveProperty('hook');
  });
});

describe('a state with the activity of a hook to run', () => {
  test('is runnable, even if nothing runs in it otherwise', () => {
    const activity = GATE.rules!.activities.get('announce')!;
    for (const state of ['open', 'gone']) {
      expect(resolveState(REGISTRY, { ...PENDING, state })).toEqual({
        ok: true,
        kind: 'runnable',
        machine: GATE,
        state,
        activity,
      });
    }
  });

  test('is unknown to a machine without that activity', () => {
    const file = { ...PENDING, hook: { ...HOOK, run: 'sing' } };
    expect(resolveState(REGISTRY, file)).toMatchObject({
      ok: false,
      code: 'unknown-state',
      reason: 'machine gate has no hook activity "sing"',
    });
    const job = createRegistry([machine({ name: 'gate', activities: { open: () => done() } })]);
    expect(resolveState(job, PENDING)).toMatchObject({ ok: false, code: 'unknown-state' });
  });

  test.each([{ run: 1 }, {}, { run: 'a', from: 'b' }, { ...HOOK, more: 1 }, 'announce'])(
    'is invalid with hook %j',
    (hook) => {
      const text = JSON.stringify({ ...PENDING, hook });
      expect(parseStateFile(new TextEncoder().encode(text))).toMatchObject({
        ok: false,
        reason: expect.stringContaining('hook'),
      });
    },
  );
});

describe('the answer of the activity of a hook', () => {
  const after = (answer: Answer, state = 'open') => {
    const file = { ...PENDING, state };
    const step = { machine: GATE, name: 'x.state-5', file, state: file.state };
    return effectsOfAnswer(answer, step, FINISHED);
  };

  test.each<[string, Answer, unknown]>([
    ['wait', wait(), { n: 1 }],
    ['wait with a payload', wait({ n: 2 }), { n: 2 }],
    ['the state with a payload, as a command answers', next('open', 3), 3],
  ])('%s: the instance rests in its state, whose timers start', (_what, answer, payload) => {
    const effects = after(answer);
    if (typeof effects === 'string') throw new Error(effects);
    expect(effects.rests).toBe(true);
    const since = 'x.state-6';
    expect(parsed(effects.next?.content)).toEqual({
      state: 'open',
      machine: 'gate',
      payload,
      since,
    });
    expect(emitted(effects.emit)).toMatchObject([['x', { event: 'shut', delay: 3000, since }]]);
  });

  test('may emit events, before the timers', () => {
    const effects = after(wait(undefined, { emit: [{ to: 'bell', event: 'ring' }] }));
    if (typeof effects === 'string') throw new Error(effects);
    expect(emitted(effects.emit)).toMatchObject([
      ['bell', { event: 'ring' }],
      ['x', { event: 'shut' }],
    ]);
  });

  test('leads to a terminal state without a wait', () => {
    const effects = after(wait(), 'gone');
    expect(effects).toMatchObject({ rests: false, next: { name: 'x.state-6' }, emit: [] });
  });

  test.each<[string, Answer]>([
    ['done', done(1)],
    ['next', next('shut')],
    ['next', later('1s', 'open')],
    ['fork', fork({ a: { state: 'shut' } }, { state: 'open' })],
  ])('is refused as %s', (kind, answer) => {
    expect(after(answer)).toBe(
      `cannot apply the answer of hook announce: expected nothing or wait(), got ${kind}`,
    );
  });

  test('is refused when the state file would be too large', () => {
    expect(after(wait('x'.repeat(MAX_STATE_BYTES)))).toContain('would be larger than');
  });
});

describe('a machine with activities of hooks', () => {
  const withHooks = (hooks: object): (() => unknown) => {
    return () => machine({ ...OPTIONS, hooks: hooks });
  };
  const after = (): never[] => [];

  test('fills in the defaults of an activity', () => {
    const activities = { a: { tick: () => undefined, timeout: '1s' }, b: { run: 'true' } };
    const { rules } = machine({ ...OPTIONS, hooks: { after, activities } });
    expect(rules!.activities.get('a')).toMatchObject({
      timeout: 1000,
      retry: { maximumAttempts: 5 },
    });
    expect(rules!.activities.get('b')).toMatchObject({ kind: 'command', next: undefined });
  });

  test.each<[string, object, string]>([
    ['a list', { after, activities: [] }, 'hooks.activities must be { name: activity }'],
    ['no activity', { after, activities: { a: 5 } }, 'hook a must be an object'],
    [
      'an unknown key',
      { after, activities: { a: { tock: 1 } } },
      'hook a has the unknown key tock',
    ],
    [
      'a next',
      { after, activities: { a: { run: 'x', next: 'open' } } },
      'hook a: next is not for hooks',
    ],
    ['a bad timeout', { after, activities: { a: { run: 'x', timeout: -1 } } }, 'hook a, timeout'],
    ['no hook', { activities: { a: { run: 'x' } } }, 'add hooks.after'],
  ])('is refused with %s', (_what, hooks, words) => {
    expect(withHooks(hooks)).toThrow(words);
  });

  test('names them in `run`, checked by the compiler', () => {
    const { states, events, initial, table } = OPTIONS;
    const options = { name: 'gate', states, events, initial, table };
    const announce: HookActivity = async ({ transition }) => void transition!.details;
    const toOpen = { run: 'announce' } as const;
    machine({ ...options, hooks: { after: () => [toOpen], activities: { announce } } });
    machine({
      ...options,
      hooks: {
        after: ({ to }) => (to === 'open' ? [{ run: 'anounce' }] : []),
        // @ts-expect-error there is no such activity
        activities: { announce },
      },
    });
  });
});
