import { describe, expect, test } from 'vitest';
import {
  appliedIn,
  emittedIn,
  formatRecord,
  parseCommitRecord,
  parseFailureRecord,
  parseRejection,
  recordedStates,
  recordOfEvent,
  type CommitRecord,
  type RejectionRecord,
} from '../../src/machine/record.ts';

const TEXT = '{"event":"on","details":"a\\nb \\"events\\""}\n';
const EMITTED = '20261125T234916.007Z~000-aa@lamp';

function record(state: string, more: Partial<CommitRecord> = {}): CommitRecord {
  return {
    flockwork: 1,
    state,
    session: 'ant.1',
    worker: 'ant',
    started: '2026-11-25T23:49:16.007Z',
    finished: '2026-11-25T23:49:16.007Z',
    ...more,
  };
}

const applied = (id: string, outcome = 'Ok'): NonNullable<CommitRecord['events']>[number] =>
  ({ file: `20261125T234916.007Z~${id}@door`, id, event: 'ask', outcome, from: 'a' }) as never;

const DOOR = record('door.state-4', {
  events: [applied('one'), applied('two', 'EventNotAllowed')],
  emit: [{ name: EMITTED, content: TEXT }],
  next: { name: 'door.state-5', content: '{"state":"b"}\n' },
});
const GATE = record('gate.state', { events: [applied('three')] });
/** A flag with several records. */
const BOTH = formatRecord(record('plain.state')) + formatRecord(GATE) + formatRecord(DOOR);

const VERDICT: RejectionRecord = {
  flockwork: 1,
  id: 'one',
  file: '20261125T234916.007Z~one@lamp',
  outcome: 'FsmNotFound',
  reason: 'there is no instance lamp',
  session: 'ant.1',
  worker: 'ant',
  at: '2026-11-25T23:49:16.007Z',
};

describe('a commit record with events', () => {
  test('round-trips alone and in a group', () => {
    expect(parseCommitRecord(formatRecord(DOOR), 'door.state-4')).toEqual(DOOR);
    expect(parseCommitRecord(BOTH, 'door.state-4')).toEqual(DOOR);
    expect(recordedStates(BOTH)).toEqual(['plain.state', 'gate.state', 'door.state-4']);
  });

  test.each([
    { events: [{ ...applied('one'), outcome: 'Perhaps' }] },
    { events: [{ id: 'one' }] },
    { events: {} },
    { emit: [{ name: 'x' }] },
    { emit: 'x' },
  ])('is refused with %j', (more) => {
    const text = formatRecord(record('door.state-4', more as never));
    expect(parseCommitRecord(text, 'door.state-4')).toBeUndefined();
    expect(recordOfEvent(text, 'one')).toBeUndefined();
  });
});

describe('recordOfEvent', () => {
  test('finds the record among others', () => {
    expect(recordOfEvent(BOTH, 'two')).toEqual(DOOR);
    expect(recordOfEvent(BOTH, 'three')).toEqual(GATE);
    expect(appliedIn(DOOR, 'two')).toMatchObject({ outcome: 'EventNotAllowed' });
  });

  test('ignores a record that only mentions the id', () => {
    const mentions = record('x.state', { output: 'two', worker: 'two' });
    expect(recordOfEvent(formatRecord(mentions), 'two')).toBeUndefined();
    expect(recordOfEvent(formatRecord(mentions) + BOTH, 'two')).toEqual(DOOR);
    expect(recordOfEvent(BOTH, 'tw')).toBeUndefined();
    expect(appliedIn(record('x.state'), 'two')).toBeUndefined();
  });

  test.each(['', 'two', '{"two"', '{"id":"two"}', '"two"\n\n{}'])('finds nothing in %j', (text) => {
    expect(recordOfEvent(text, 'two')).toBeUndefined();
  });
});

describe('emittedIn', () => {
  test('finds the content to the byte', () => {
    expect(emittedIn(BOTH, EMITTED)).toBe(TEXT);
    expect(emittedIn(formatRecord(DOOR), EMITTED)).toBe(TEXT);
  });

  test('ignores an applied event with that name', () => {
    expect(emittedIn(TEXT, EMITTED)).toBeUndefined();
    expect(emittedIn(BOTH, applied('one').file)).toBeUndefined();
    expect(emittedIn('', EMITTED)).toBeUndefined();
  });
});

describe('a rejection', () => {
  test('round-trips', () => {
    expect(parseRejection(formatRecord(VERDICT))).toEqual(VERDICT);
  });

  test('is told apart from a commit record', () => {
    expect(parseRejection(formatRecord(DOOR))).toBeUndefined();
    expect(parseRejection(BOTH)).toBeUndefined();
    expect(recordOfEvent(formatRecord(VERDICT), 'one')).toBeUndefined();
  });

  test.each([
    '',
    'x',
    'null',
    '{}',
    JSON.stringify({ ...VERDICT, outcome: 'Perhaps' }),
    JSON.stringify({ ...VERDICT, flockwork: 2 }),
    JSON.stringify({ ...VERDICT, id: undefined }),
    JSON.stringify(VERDICT).slice(0, -1),
  ])('is not %j', (text) => expect(parseRejection(text)).toBeUndefined());
});

describe('a failure', () => {
  const failure = (state: string): string =>
    formatRecord({
      flockwork: 1,
      state,
      session: 'ant.1',
      worker: 'ant',
      at: '2026-11-25T23:49:16.007Z',
      code: 'bad-name',
      reason: 'its name has 216 bytes',
    });

  test('is read under the name of its flag, even if that is too long', () => {
    const name = `${'x'.repeat(210)}.state`;
    expect(parseFailureRecord(failure(name), name)?.reason).toBe('its name has 216 bytes');
  });

  test('is ignored in the flag of another state', () => {
    expect(parseFailureRecord(failure('../../x.state'), 'x.state')).toBeUndefined();
  });
});
