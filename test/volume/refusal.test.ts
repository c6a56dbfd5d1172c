/** Outcomes of a state whose machine, or whose state's name, this worker does not know. */
import { describe, expect, test } from 'vitest';
import type { Refusal } from '../../src/engine/session.ts';
import { refusalChange, type ReadState } from '../../src/volume/claimed-task.ts';
import type { VolumeOutcome, Token } from '../../src/volume/operations.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const context = { session: 'ant.1', worker: 'ant', now: NOW };
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
const other = (more: Partial<Token>): Token => ({
  ...token,
  session: 'bee.1',
  worker: 'bee',
  ...more,
});
const read: ReadState = {
  file: { state: 'job', payload: {} },
  attempts: [],
  fingerprint: () => 'f1',
  refusedBy: [],
  needsSlot: false,
  events: [],
};
const change = (
  refusal: Refusal,
  others: readonly Token[],
  more: Partial<ReadState> = {},
): VolumeOutcome =>
  refusalChange('x.state', refusal, { ...read, ...more }, [token, ...others], context);

describe('refusalChange of an unknown machine', () => {
  const unknown = (machine: string, stored?: Refusal['stored']): Refusal => ({
    code: 'unknown-machine',
    machine,
    reason: 'r',
    ...(stored && { stored }),
  });

  test.each([
    [['*'], true, { kind: 'refuse', reason: 'commands' }],
    [['magic:1'], true, { kind: 'refuse', reason: 'commands' }],
    [['paint'], true, { kind: 'fail', record: { reason: 'commands' } }],
    [['*'], false, { kind: 'fail', record: { code: 'unknown-machine', reason: 'commands' } }],
    [['magic:1'], false, { kind: 'refuse', reason: 'commands' }],
  ])(
    'of a stored configuration when another session has %j and it needs trust: %s',
    (machines, needsTrust, expected) => {
      const refusal = unknown('magic:1', { reason: 'commands', needsTrust });
      expect(change(refusal, [other({ machines })])).toMatchObject(expected);
    },
  );

  test.each([
    ['magic', ['magic'], 'refuse'],
    ['magic', ['magic:2'], 'refuse'],
    ['magic:2', ['magic:2'], 'refuse'],
    ['magic:2', ['magic:1'], 'fail'],
    ['magic', ['magician'], 'fail'],
    ['magic', [], 'fail'],
  ])('of %s when another session knows %j: %s', (machine, machines, kind) => {
    expect(change(unknown(machine), [other({ machines })]).kind).toBe(kind);
  });

  test('does not ask its own session', () => {
    expect(change(unknown('job'), []).kind).toBe('fail');
  });

  test('names the known machines in the failure', () => {
    expect(change(unknown('magic'), [other({ machines: ['paint', '*'] })])).toMatchObject({
      kind: 'fail',
      record: {
        state: 'x.state',
        session: 'ant.1',
        worker: 'ant',
        at: NOW,
        reason: 'no worker here knows machine magic; they know job, paint',
      },
    });
  });
});

describe('refusalChange of an unknown state of a known machine', () => {
  const unknown: Refusal = {
    code: 'unknown-state',
    machine: 'job',
    state: 'pack',
    reason: 'machine job has no state "pack"; there are job',
  };
  const version = (name: string, states: string[]): Partial<Token> => ({
    machines: [`job:${name}`],
    states: { [`job:${name}`]: states },
  });

  test.each([
    ['announces the state', { states: { job: ['job', 'pack'] } }, 'refuse'],
    ['announces the state in another version', version('2', ['pack']), 'refuse'],
    ['announces the machine without the state', { states: { job: ['job', 'ship'] } }, 'fail'],
    ['announces no states', {}, 'refuse'],
    ['announces no states and another machine', { machines: ['paint'] }, 'fail'],
  ])('when another session %s: %#', (_how, more, kind) => {
    expect(change(unknown, [other(more)]).kind).toBe(kind);
  });

  test('asks no session that has refused the state', () => {
    const refusedBy = ['bee.1'];
    expect(change(unknown, [other({})], { refusedBy })).toMatchObject({
      kind: 'fail',
      record: { code: 'unknown-state' },
    });
    expect(change(unknown, [other({ session: 'cat.1' })], { refusedBy }).kind).toBe('refuse');
  });

  test('records the states that there are, and the fingerprint of the file', () => {
    expect(change(unknown, [])).toMatchObject({
      record: { reason: expect.stringContaining('"pack"; there are job'), file: 'f1' },
    });
  });
});
