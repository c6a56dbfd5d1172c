/** The decisions about a claimed state, as tables: no clock, no files. */
import { describe, expect, test } from 'vitest';
import { done, next, wait } from '../../src/machine/answer.ts';
import type { PendingEvent } from '../../src/machine/event-batch.ts';
import { fingerprint } from '../../src/machine/fingerprint.ts';
import { machine } from '../../src/machine/machine.ts';
import type { Attempt } from '../../src/machine/record.ts';
import { createRegistry, machineStates } from '../../src/machine/registry.ts';
import { same } from '../../src/machine/table.ts';
import type { Intake, Token } from '../../src/store/session.ts';
import { conclude, judge, prepare, type Scene, type Work } from '../../src/worker/holding.ts';
import { receive } from '../../src/worker/receive.ts';
import type { Missing } from '../../src/worker/library.ts';
import { refusal } from '../../src/worker/refusal.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const token: Token = {
  flockwork: 1,
  session: 'ant.1',
  worker: 'ant',
  host: 'h',
  pid: 1,
  started: NOW,
  concurrency: 1,
  capacity: 1,
  machines: ['job'],
};
const job = machine({
  name: 'job',
  activities: { job: { tick: () => done(), retry: { maximumAttempts: 2, initialInterval: 1000 } } },
});
const PATIENCE = 2000;
const scene: Scene = {
  token,
  now: NOW,
  at: 5000,
  patience: PATIENCE,
  volumeId: 'v',
  registry: createRegistry([job]),
  cycle: 7,
  seen: 7,
  sensor: () => undefined,
  history: async () => [],
};
const later = (ms: number): Scene => ({ ...scene, at: scene.at + ms });
const text = (content: string, attempts: Attempt[] = []): Intake => ({
  kind: 'text',
  bytes: new TextEncoder().encode(content),
  attempts,
});
const attempt = (result: Attempt['result']): Attempt => ({
  attempt: 1,
  session: 's',
  worker: 'w',
  started: NOW,
  ended: NOW,
  result,
  error: { message: 'no' },
});

function readyWork(attempts: Attempt[] = []): Work {
  const verdict = prepare('x.state', { state: 'job', payload: { n: 1 } }, attempts, scene);
  if (verdict.kind !== 'ready') throw new Error(verdict.kind);
  return verdict.work;
}

describe('what a claimed file leads to', () => {
  test('a good one is ready, as the first attempt, with the same key for every attempt', () => {
    expect(
      judge('x.state', text('{"state": "job", "payload": {"n": 1}}'), undefined, scene),
    ).toMatchObject({
      kind: 'ready',
      work: {
        task: {
          instance: 'x',
          machine: 'job',
          state: 'job',
          payload: { n: 1 },
          attempt: 1,
          idempotencyKey: 'v/x.state',
        },
      },
    });
    expect(readyWork([attempt('failed')]).task).toMatchObject({
      attempt: 2,
      idempotencyKey: 'v/x.state',
    });
  });

  test('one that has cost a worker is suspect at its last attempt; one that has failed is not', () => {
    const retry = { maximumAttempts: 3 };
    const patient = machine({ name: 'job', activities: { job: { tick: () => done(), retry } } });
    const isSuspect = (...results: Attempt['result'][]): unknown => {
      const intake = text('{"state":"job"}', results.map(attempt));
      const registry = createRegistry([patient]);
      const verdict = judge('x.state', intake, undefined, { ...scene, registry });
      return verdict.kind === 'ready' && verdict.work.task.isSuspect === true;
    };
    expect(isSuspect('lost', 'failed')).toBe(true);
    expect(isSuspect('lost')).toBe(false);
    expect(isSuspect('failed', 'failed')).toBe(false);
  });

  test('one that does not parse fails when it has stayed as it is for long enough', () => {
    const first = judge('x.state', text('{'), undefined, scene);
    expect(first.kind).toBe('wait');
    const second = judge(
      'x.state',
      text('{'),
      first.kind === 'wait' ? first.suspicion : undefined,
      later(PATIENCE - 1),
    );
    expect(second.kind).toBe('wait');
    const third = judge(
      'x.state',
      text('{'),
      second.kind === 'wait' ? second.suspicion : undefined,
      later(PATIENCE),
    );
    expect(third).toMatchObject({
      kind: 'change',
      change: { kind: 'fail', record: { code: 'bad-json', line: 1, column: 2 } },
    });
  });

  test('one that has changed since is looked at anew', () => {
    const first = judge('x.state', text('{'), { content: '', since: 0 }, scene);
    expect(first).toMatchObject({ kind: 'wait', suspicion: { since: scene.at } });
  });

  test.each([
    ['{', 'bad-json'],
    ['{"state": "job", "colour": "red"}', 'bad-state-file'],
  ])('what fails for its content, %s, says for which', (content, code) => {
    const since = judge('x.state', text(content), undefined, scene);
    const suspicion = since.kind === 'wait' ? since.suspicion : undefined;
    const file = fingerprint(new TextEncoder().encode(content));
    expect(judge('x.state', text(content), suspicion, later(PATIENCE))).toMatchObject({
      change: { kind: 'fail', record: { code, file } },
    });
  });

  test('what has used up its attempts has not failed for its content', () => {
    const verdict = judge(
      'x.state',
      text('{"state": "job"}', [attempt('lost'), attempt('lost')]),
      undefined,
      scene,
    );
    const record =
      verdict.kind === 'change' && verdict.change.kind === 'fail' && verdict.change.record;
    expect(record).toMatchObject({ code: 'attempts-exhausted' });
    expect(record).not.toHaveProperty('file');
  });

  test.each([
    [
      'bad for ever',
      { kind: 'bad', code: 'not-a-file', reason: 'it is a link' },
      undefined,
      { kind: 'change', change: { kind: 'fail', record: { code: 'not-a-file' } } },
    ],
    [
      'not readable yet',
      { kind: 'unreadable', code: 'EACCES', reason: 'r' },
      undefined,
      { kind: 'wait' },
    ],
    [
      'never readable',
      { kind: 'unreadable', code: 'EACCES', reason: 'r' },
      { content: 'EACCES', since: 0 },
      { change: { kind: 'fail' } },
    ],
    [
      'gone',
      { kind: 'unreadable', code: 'ENOENT', reason: 'r' },
      { content: 'ENOENT', since: 0 },
      { change: { kind: 'release' } },
    ],
    ['just mended', { kind: 'mended' }, undefined, { change: { kind: 'release' } }],
  ])('%s', (_what, intake, suspicion, expected) => {
    expect(judge('x.state', intake as Intake, suspicion, scene)).toMatchObject(expected);
  });

  test('one that is not due yet is put off, one that was due is ready', () => {
    const due = (notBefore: string) =>
      prepare('x.state', { state: 'job', payload: {}, notBefore }, [], scene);
    expect(due('2026-01-01T00:00:01Z')).toEqual({
      kind: 'change',
      change: { kind: 'defer', notBefore: '2026-01-01T00:00:01Z' },
    });
    expect(due('2025-12-31T23:59:59Z').kind).toBe('ready');
  });

  test('one whose workers were lost once too often is put aside unread by any tick', () => {
    const verdict = prepare(
      'x.state',
      { state: 'job', payload: {} },
      [attempt('lost'), attempt('lost')],
      scene,
    );
    expect(verdict).toMatchObject({
      change: { kind: 'fail', record: { code: 'attempts-exhausted' } },
    });
  });
});

describe('a machine this worker does not have', () => {
  const other = (machines: string[]): Token => ({
    ...token,
    session: 'bee.1',
    worker: 'bee',
    machines,
  });
  const unknown = (wanted: string, missing?: Missing): Parameters<typeof refusal>[1] => ({
    kind: 'unknown',
    code: 'unknown-machine',
    machine: wanted,
    reason: 'r',
    attempts: [],
    ...(missing && { missing }),
  });

  test.each([
    [['*'], true, { kind: 'refuse', reason: 'commands' }],
    [['magic:1'], true, { kind: 'refuse', reason: 'commands' }],
    [['paint'], true, { kind: 'fail', record: { reason: 'commands' } }],
    [['*'], false, { kind: 'fail', record: { code: 'unknown-machine', reason: 'commands' } }],
    [['magic:1'], false, { kind: 'refuse', reason: 'commands' }],
  ])('on the volume, where another has %j, untrusted %s: %j', (machines, isUntrusted, expected) => {
    const it = unknown('magic:1', { reason: 'commands', isUntrusted });
    const change = refusal('x.state', it, [token, other(machines)], scene);
    expect(change).toMatchObject(expected);
  });

  test.each([
    ['magic', ['magic'], 'refuse'],
    ['magic', ['magic:2'], 'refuse'],
    ['magic:2', ['magic:2'], 'refuse'],
    ['magic:2', ['magic:1'], 'fail'],
    ['magic', ['magician'], 'fail'],
    ['magic', [], 'fail'],
  ])('%s, where another knows %j: %s', (wanted, machines, kind) => {
    expect(refusal('x.state', unknown(wanted), [token, other(machines)], scene).kind).toBe(kind);
  });

  test('the failure names what they do know', () => {
    const change = refusal('x.state', unknown('magic'), [token, other(['paint', '*'])], scene);
    expect(change.kind === 'fail' && change.record.reason).toBe(
      'no worker here knows machine magic; they know job, paint',
    );
  });
});

describe('a state of its machine that this worker does not have', () => {
  const other = (more: Partial<Token>): Token => ({ ...token, session: 'bee.1', ...more });
  const verdict = judge('x.state', text('{"machine": "job", "state": "pack"}'), undefined, scene);
  const unknown = verdict as Extract<typeof verdict, { kind: 'unknown' }>;

  test.each([
    ['says that it has it', { states: { job: ['job', 'pack'] } }, 'refuse'],
    ['says that it has it, in another version', version('2', ['pack']), 'refuse'],
    ['says that it has not', { states: { job: ['job', 'ship'] } }, 'fail'],
    ['does not say', {}, 'refuse'],
    ['does not say, and does not have the machine', { machines: ['paint'] }, 'fail'],
  ])('where another worker %s', (_how, more, kind) => {
    expect(refusal('x.state', unknown, [token, other(more)], scene).kind).toBe(kind);
  });

  test('one that has refused it is not asked again', () => {
    const again = { ...unknown, refusedBy: ['bee.1'] };
    const change = refusal('x.state', again, [token, other({})], scene);
    expect(change).toMatchObject({ kind: 'fail', record: { code: 'unknown-state' } });
    expect(refusal('x.state', again, [token, other({ session: 'cat.1' })], scene).kind).toBe(
      'refuse',
    );
  });

  test('the failure says which states there are, and for which content it is', () => {
    expect(refusal('x.state', unknown, [token], scene)).toMatchObject({
      record: {
        reason: expect.stringContaining('"pack"; there are job'),
        file: expect.any(String),
      },
    });
  });

  function version(name: string, states: string[]): Partial<Token> {
    return { machines: [`job:${name}`], states: { [`job:${name}`]: states } };
  }
});

test('a token names the states of as many machines as fit into it', () => {
  const large = (name: string) =>
    machine({
      name,
      activities: Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [`state-${index}`, () => done()]),
      ),
    });
  const states = machineStates(createRegistry([job, large('one'), large('two')]));
  expect(Object.keys(states)).toEqual(['job', 'one']);
  expect(states['job']).toEqual(['job']);
});

describe('what a finished tick means', () => {
  const random = (): number => 0.5;

  test('done without output or history leaves nothing behind: no record', () => {
    expect(conclude(readyWork(), { kind: 'answer', answer: done() }, NOW, scene, random)).toEqual({
      kind: 'commit',
      record: undefined,
    });
  });

  test.each([
    ['an output', done(5), [], { output: 5 }],
    ['attempts', done(), [attempt('failed')], { attempts: [{ result: 'failed' }] }],
    [
      'a successor',
      next('job', { n: 2 }),
      [],
      { next: { name: 'x.state-1', content: expect.stringContaining('"n": 2') } },
    ],
  ])('with %s, a record', (_what, answer, attempts, expected) => {
    const change = conclude(readyWork(attempts), { kind: 'answer', answer }, NOW, scene, random);
    expect(change).toMatchObject({
      kind: 'commit',
      record: { state: 'x.state', session: 'ant.1', ...expected },
    });
  });

  test('what cannot be is a failed attempt: nothing of it is committed, nor tried again', () => {
    const answer = wait({ n: 2 }, { emit: [{ to: 'a', event: 'b' }] });
    const change = conclude(readyWork(), { kind: 'answer', answer }, NOW, scene, random);
    const message = 'the tick answered wait(), but machine job has no events, so nothing can end it';
    expect(change).toMatchObject({
      kind: 'fail',
      record: { code: 'fatal', reason: message, attempts: [{ result: 'failed' }] },
    });
  });

  test('what it causes is in the record', () => {
    const answer = done(undefined, { emit: [{ to: 'a', event: 'b' }] });
    const change = conclude(readyWork(), { kind: 'answer', answer }, NOW, scene, random);
    const content = expect.stringContaining('"event":"b"') as unknown;
    expect(change).toMatchObject({ kind: 'commit', record: { emit: [{ content }] } });
  });

  test('a failure is tried again after its pause, the last one is put aside, a fatal one at once', () => {
    const failed = (fatal?: boolean) =>
      ({ kind: 'failed', error: { message: 'no', ...(fatal && { fatal }) } }) as const;
    expect(conclude(readyWork(), failed(), NOW, scene, random)).toMatchObject({
      kind: 'retry',
      attempt: { attempt: 1, notBefore: '2026-01-01T00:00:01.000Z' },
    });
    expect(conclude(readyWork([attempt('failed')]), failed(), NOW, scene, random)).toMatchObject({
      kind: 'fail',
      record: { code: 'attempts-exhausted', attempts: [{}, {}] },
    });
    expect(conclude(readyWork(), failed(true), NOW, scene, random)).toMatchObject({
      kind: 'fail',
      record: { code: 'fatal' },
    });
  });

  test('an aborted one is released, and counts for nothing', () => {
    expect(conclude(readyWork(), { kind: 'aborted' }, NOW, scene, random)).toEqual({
      kind: 'release',
    });
  });
});

describe('an event for a machine that looks at others', () => {
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
  const resting = { machine: door, state: 'shut', file: { state: 'door', payload: {} } };
  const event = (name: string): PendingEvent => ({
    file: `20261125T000000.000Z~${name}@d`,
    id: name,
    content: JSON.stringify({ event: name }),
  });
  const when = (seen: number): Scene => ({
    ...scene,
    seen,
    sensor: () => ({ state: 'on', payload: {} }),
  });

  test('is decided by what was seen in this cycle, and committed in it', () => {
    const change = receive('d.state', resting, [event('open')], when(7));
    expect(change).toMatchObject({ kind: 'commit', cycle: 7, rests: false });
  });

  test('is left for the next cycle if nobody has looked in this one', () => {
    expect(receive('d.state', resting, [event('open')], when(6))).toEqual({ kind: 'release' });
  });

  test('is like any other if it does not come to looking', () => {
    const change = receive('d.state', resting, [event('knock')], when(6));
    expect(change).toMatchObject({ kind: 'commit', rests: true });
    expect(change).not.toHaveProperty('cycle');
  });
});
