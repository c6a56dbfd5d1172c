/** The decisions about a task that was taken, as tables: no clock, no engine. */
import { describe, expect, test } from 'vitest';
import type { Task } from '../../src/engine/session.ts';
import { done, next, wait, type Answer } from '../../src/machine/answer.ts';
import type { PendingEvent } from '../../src/machine/event-batch.ts';
import { parseConfiguration } from '../../src/machine/config.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry } from '../../src/machine/registry.ts';
import type { StateFile } from '../../src/machine/state-file.ts';
import { same } from '../../src/machine/table.ts';
import {
  needsTick,
  plan,
  outcomeOfTick,
  type PlannedTick,
  type DecisionContext,
} from '../../src/worker/plan.ts';
import type { Attempt } from '../../src/machine/record.ts';
import type { TickResult } from '../../src/worker/ports.ts';
import type { Machine } from '../../src/machine/definition.ts';

const NOW = '2026-01-01T00:00:00.000Z';
/** Its state `job` may be attempted twice. */
const job: Machine = machine({
  name: 'job',
  activities: { job: { tick: () => done(), retry: { maximumAttempts: 2, initialInterval: 1000 } } },
});
const context: DecisionContext = {
  session: 'ant.1',
  worker: 'ant',
  now: NOW,
  engineId: 'v',
  registry: createRegistry([job]),
  newest: new Map(),
};

/** The first attempt. */
const attempt = (result: Attempt['result']): Attempt => ({
  attempt: 1,
  session: 's',
  worker: 'w',
  started: NOW,
  ended: NOW,
  result,
  error: { message: 'no' },
});
const FILE: StateFile = { state: 'job', payload: { n: 1 } };

const taskOf = (file: StateFile, more: Partial<Task> = {}): Task => ({
  name: 'x.state',
  session: 'ant.1',
  file,
  attempts: [],
  events: [],
  asOf: 7,
  signal: new AbortController().signal,
  observe: () => undefined,
  history: async () => [],
  ...more,
});

describe('plan of a state that runs', () => {
  test('ticks it as the first attempt', () => {
    expect(plan(taskOf(FILE), context)).toMatchObject({
      kind: 'tick',
      machine: job,
      file: FILE,
      attempts: [],
      tick: {
        instance: 'x',
        name: 'x.state',
        machine: 'job',
        state: 'job',
        payload: { n: 1 },
        attempt: 1,
        idempotencyKey: 'v/x.state',
      },
    });
  });

  test('gives it the directory of a volume, and none on other engines', () => {
    const tickIn = (directory?: string): unknown => {
      const planned = plan(taskOf(FILE), { ...context, directory });
      return planned.kind === 'tick' && planned.tick;
    };
    expect(tickIn('/volume')).toMatchObject({ directory: '/volume' });
    expect(tickIn()).not.toHaveProperty('directory');
  });

  test('gives every attempt the same idempotency key', () => {
    const attempts = [attempt('failed')];
    expect(plan(taskOf(FILE, { attempts }), context)).toMatchObject({
      attempts,
      tick: { attempt: 2, idempotencyKey: 'v/x.state' },
    });
  });

  test('passes on the history of the task', async () => {
    const steps = [{ name: 'x.state' }] as unknown as Awaited<ReturnType<Task['history']>>;
    const planned = plan(taskOf(FILE, { history: async () => steps }), context);
    expect(planned.kind === 'tick' && (await planned.tick.history())).toBe(steps);
  });

  test.each([
    [['lost', 'failed'], true],
    [['lost'], false],
    [['failed', 'failed'], false],
  ] as const)('is suspect at its last attempt after a lost one: %j %s', (results, isSuspect) => {
    const retry = { maximumAttempts: 3 };
    const patient = machine({ name: 'job', activities: { job: { tick: () => done(), retry } } });
    const registry = createRegistry([patient]);
    const attempts = results.map(attempt);
    const planned = plan(taskOf(FILE, { attempts }), { ...context, registry });
    expect(planned.kind === 'tick' && planned.tick.isSuspect === true).toBe(isSuspect);
  });

  test('fails it without a tick when its attempts were all lost', () => {
    const attempts = [attempt('lost'), attempt('lost')];
    expect(plan(taskOf(FILE, { attempts }), context)).toMatchObject({
      kind: 'outcome',
      outcome: {
        kind: 'fail',
        record: {
          state: 'x.state',
          session: 'ant.1',
          worker: 'ant',
          at: NOW,
          code: 'attempts-exhausted',
          attempts,
        },
      },
    });
  });

  test('defers it when it is not due, and ticks it when it was due', () => {
    const due = (notBefore: string): unknown => plan(taskOf({ ...FILE, notBefore }), context);
    expect(due('2026-01-01T00:00:01Z')).toEqual({
      kind: 'outcome',
      outcome: { kind: 'defer', notBefore: '2026-01-01T00:00:01Z' },
    });
    expect(due('2025-12-31T23:59:59Z')).toMatchObject({ kind: 'tick' });
  });

  test('tells the tick what its machine observes, null for an instance that does not exist', () => {
    const watch = machine({
      name: 'watch',
      sensors: ['lamp', 'door'],
      activities: { watch: () => done() },
    });
    const lamp: StateFile = { state: 'on', payload: { lumen: 5 } };
    const observe = (instance: string): StateFile | undefined =>
      instance === 'lamp' ? lamp : undefined;
    const registry = createRegistry([watch]);
    const task = taskOf({ state: 'watch', payload: {} }, { observe });
    expect(plan(task, { ...context, registry })).toMatchObject({
      tick: { sensors: { lamp: { state: 'on', payload: { lumen: 5 } }, door: null } },
    });
  });
});

describe('plan of what is not known', () => {
  test('names the machine', () => {
    expect(plan(taskOf({ state: 'magic', payload: {} }), context)).toEqual({
      kind: 'unknown',
      refusal: { code: 'unknown-machine', machine: 'magic', reason: expect.any(String) },
    });
  });

  test('names the state of a known machine, and the states that there are', () => {
    const file = { machine: 'job', state: 'pack', payload: {} };
    expect(plan(taskOf(file), context)).toEqual({
      kind: 'unknown',
      refusal: {
        code: 'unknown-state',
        machine: 'job',
        state: 'pack',
        reason: expect.stringContaining('"pack"; there are job'),
      },
    });
  });
});

describe('plan of a state that waits for events', () => {
  const door = machine({
    name: 'door',
    states: ['shut', 'open'],
    events: ['open', 'knock'],
    initial: 'shut',
    sensors: ['lamp'],
    table: { shut: { open: 'open', knock: same }, open: { open: same, knock: same } },
    hooks: {
      before: ({ sensor }) => (sensor('lamp')?.state === 'on' ? undefined : 'it is dark'),
    },
  });
  const inside = { ...context, registry: createRegistry([door]) };
  const event = (name: string): PendingEvent => ({
    file: `20261125T000000.000Z~${name}@d`,
    id: name,
    content: JSON.stringify({ event: name }),
  });
  const shut: StateFile = { state: 'door', payload: {} };
  const lampOn = (): StateFile => ({ state: 'on', payload: {} });

  test('waits when there are none', () => {
    expect(plan(taskOf(shut), inside)).toEqual({
      kind: 'outcome',
      outcome: { kind: 'wait' },
      machine: 'door',
    });
  });

  test('names the instances that the decision has read (I11)', () => {
    const task = taskOf(shut, { events: [event('open')], observe: lampOn });
    expect(plan(task, inside)).toMatchObject({
      outcome: {
        kind: 'commit',
        readSet: ['lamp'],
        rests: false,
        record: { session: 'ant.1', worker: 'ant', started: NOW, finished: NOW, machine: 'door' },
      },
      machine: 'door',
    });
  });

  test('names none when the decision has read none', () => {
    const planned = plan(taskOf(shut, { events: [event('knock')], observe: lampOn }), inside);
    expect(planned).toMatchObject({ outcome: { kind: 'commit', rests: true } });
    expect(planned).not.toHaveProperty('outcome.readSet');
  });
});

describe('plan of a state after whose transition a hook runs an activity', () => {
  const gate = machine({
    name: 'gate',
    states: ['shut', 'open'],
    events: ['open'],
    initial: 'shut',
    table: { shut: { open: 'open' }, open: { open: 'open' } },
    hooks: {
      after: ({ to }) => (to === 'open' ? [{ run: 'announce' }] : []),
      activities: { announce: { tick: () => undefined, retry: { maximumAttempts: 2 } } },
    },
  });
  const inside = { ...context, registry: createRegistry([gate]) };
  const hook = { run: 'announce', from: 'shut', event: 'open' };
  const file: StateFile = { machine: 'gate', state: 'open', payload: {}, hook };

  test('ticks the activity, with its transition', () => {
    expect(needsTick(file, inside)).toBe(true);
    const activity = gate.rules!.activities.get('announce')!;
    const planned = plan(taskOf(file, { name: 'x.state-1' }), inside);
    expect(planned).toMatchObject({ kind: 'tick', tick: { state: 'open', hook, activity } });
  });

  test('fails it after its last attempt', () => {
    const attempts = [attempt('failed'), { ...attempt('lost'), attempt: 2 }];
    expect(plan(taskOf(file, { attempts }), inside)).toMatchObject({
      outcome: { kind: 'fail', record: { code: 'attempts-exhausted' } },
    });
  });

  test('leaves it to others when this machine has no such activity', () => {
    const other = { ...file, hook: { ...hook, run: 'sing' } };
    expect(plan(taskOf(other), inside)).toMatchObject({
      kind: 'unknown',
      refusal: {
        machine: 'gate',
        state: 'open',
        reason: 'machine gate has no hook activity "sing"',
      },
    });
  });
});

describe('plan of a terminal state', () => {
  const ORDERS = `
name: orders
starting_state: start
states: [start, sent]
transitions: [{ from: start, to: sent, event: go }]
`;
  const registry = createRegistry([parseConfiguration(ORDERS, { file: 'orders', folder: '.' })]);

  test('commits it without a record, and names the machine that has decided', () => {
    const file = { machine: 'orders', state: 'sent', payload: {} };
    expect(plan(taskOf(file), { ...context, registry })).toEqual({
      kind: 'outcome',
      outcome: { kind: 'commit', record: undefined },
      machine: 'orders',
    });
  });
});

describe('needsTick', () => {
  test.each([
    ['runs', FILE, true],
    ['is not due', { ...FILE, notBefore: '2026-01-01T00:00:01Z' }, false],
    ['is of an unknown machine', { state: 'magic', payload: {} }, false],
    ['is unknown to its machine', { machine: 'job', state: 'pack', payload: {} }, false],
  ])('of a state that %s: %#', (_what, file, expected) => {
    expect(needsTick(file, context)).toBe(expected);
  });
});

const STARTED = '2025-12-31T23:59:59.000Z';
const failedAttempt = attempt('failed');

function plannedTick(attempts: readonly Attempt[] = []): PlannedTick {
  const file = { state: 'job', payload: { n: 1 } };
  const planned = plan({ name: 'x.state', file, attempts } as unknown as Task, context);
  if (planned.kind !== 'tick') throw new Error(planned.kind);
  return planned;
}

const outcomeOf = (
  result: TickResult,
  attempts: readonly Attempt[] = [],
): ReturnType<typeof outcomeOfTick> =>
  outcomeOfTick(plannedTick(attempts), result, STARTED, context, () => 0.5);
const answer = (of: Answer): TickResult => ({ kind: 'answer', answer: of });

describe('outcomeOfTick', () => {
  test('commits without a record when there is no output and no failed attempt', () => {
    expect(outcomeOf(answer(done()))).toEqual({ kind: 'commit', record: undefined });
  });

  test.each([
    ['an output', done(5), [], { output: 5 }],
    ['attempts', done(), [failedAttempt], { attempts: [{ result: 'failed' }] }],
    [
      'a successor',
      next('job', { n: 2 }),
      [],
      { next: { name: 'x.state-1', content: expect.stringContaining('"n": 2') } },
    ],
    [
      'an event',
      done(undefined, { emit: [{ to: 'a', event: 'b' }] }),
      [],
      { emit: [{ content: expect.stringContaining('"event":"b"') }] },
    ],
  ])('commits a record when there is %s', (_what, of, attempts, expected) => {
    const common = { state: 'x.state', session: 'ant.1', worker: 'ant', machine: 'job' };
    expect(outcomeOf(answer(of), attempts)).toMatchObject({
      kind: 'commit',
      record: { ...common, started: STARTED, finished: NOW, ...expected },
    });
  });

  test('fails an impossible answer at once: it commits nothing of it, and does not retry', () => {
    const reason = 'the tick answered wait(), but machine job has no events, so nothing can end it';
    const outcome = outcomeOf(answer(wait({ n: 2 }, { emit: [{ to: 'a', event: 'b' }] })));
    expect(outcome).toMatchObject({
      kind: 'fail',
      record: { code: 'fatal', reason, attempts: [{ result: 'failed' }] },
    });
    expect(outcome).not.toHaveProperty('record.emit');
  });

  test('retries a failure after its pause', () => {
    expect(outcomeOf({ kind: 'failed', error: { message: 'no' } })).toMatchObject({
      kind: 'retry',
      attempt: {
        attempt: 1,
        session: 'ant.1',
        worker: 'ant',
        started: STARTED,
        ended: NOW,
        notBefore: '2026-01-01T00:00:01.000Z',
      },
    });
  });

  test('fails when it was the last attempt', () => {
    expect(outcomeOf({ kind: 'failed', error: { message: 'no' } }, [failedAttempt])).toMatchObject({
      kind: 'fail',
      record: { code: 'attempts-exhausted', attempts: [{ attempt: 1 }, { attempt: 2 }] },
    });
  });

  test('fails at once when the error is fatal', () => {
    expect(outcomeOf({ kind: 'failed', error: { message: 'no', fatal: true } })).toMatchObject({
      kind: 'fail',
      record: { code: 'fatal', attempts: [{ attempt: 1 }] },
    });
  });

  test('releases an aborted tick, and counts no attempt', () => {
    expect(outcomeOf({ kind: 'aborted' })).toEqual({ kind: 'release' });
  });
});
