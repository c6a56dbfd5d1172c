/** What a claimed file means, and what a worker's outcome becomes on a volume: no clock, no files. */
import { describe, expect, test } from 'vitest';
import type { Hold, Outcome, Settlement } from '../../src/engine/session.ts';
import { fingerprint } from '../../src/volume/failed-files.ts';
import type { Attempt, FailureRecord } from '../../src/machine/record.ts';
import {
  changeOf,
  classifyState,
  type PartialFile,
  type ReadContext,
  type ReadState,
  type StateClass,
} from '../../src/volume/claimed-task.ts';
import type { StateRead } from '../../src/volume/operations.ts';

const NOW = '2026-01-01T00:00:00.000Z';
const PATIENCE = 2000;
const context: ReadContext = {
  session: 'ant.1',
  worker: 'ant',
  now: NOW,
  at: 5000,
  patience: PATIENCE,
};
const later = (ms: number): ReadContext => ({ ...context, at: context.at + ms });
const bytesOf = (content: string): Uint8Array => new TextEncoder().encode(content);
const text = (content: string, attempts: readonly Attempt[] = []): StateRead => ({
  kind: 'text',
  bytes: bytesOf(content),
  attempts,
});
const lost: Attempt = {
  attempt: 1,
  session: 's',
  worker: 'w',
  started: NOW,
  ended: NOW,
  result: 'lost',
  error: { message: 'no' },
};
const partialOf = (found: StateClass): PartialFile | undefined =>
  found.kind === 'wait' ? found.partial : undefined;
const classify = (read: StateRead, partial?: PartialFile, by: ReadContext = context): StateClass =>
  classifyState('x.state', read, partial, by);

describe('classifyState', () => {
  test('returns a file that parses, with its attempts, refusals and fingerprint', () => {
    const content = '{"state": "job", "payload": {"n": 1}}';
    const read = { ...text(content, [lost]), refusedBy: ['bee.1'], written: 'w1' } as StateRead;
    expect(classify(read)).toEqual({
      kind: 'parsed',
      read: {
        file: { state: 'job', payload: { n: 1 } },
        attempts: [lost],
        refusedBy: ['bee.1'],
        fingerprint: expect.any(Function),
        written: 'w1',
      },
    });
  });

  test('fails a file that does not parse when it has stayed the same for the patience', () => {
    const first = classify(text('{'));
    expect(first.kind).toBe('wait');
    const second = classify(text('{'), partialOf(first), later(PATIENCE - 1));
    expect(second.kind).toBe('wait');
    const third = classify(text('{'), partialOf(second), later(PATIENCE));
    expect(third).toMatchObject({
      kind: 'change',
      change: {
        kind: 'fail',
        record: {
          state: 'x.state',
          session: 'ant.1',
          worker: 'ant',
          at: NOW,
          code: 'bad-json',
          line: 1,
          column: 2,
        },
      },
    });
  });

  test('begins the patience again when the file has changed', () => {
    expect(classify(text('{'), { content: '', since: 0 })).toMatchObject({
      kind: 'wait',
      partial: { since: context.at },
    });
  });

  test.each([
    ['{', 'bad-json'],
    ['{"state": "job", "colour": "red"}', 'bad-state-file'],
  ])('records the fingerprint of the content that has failed: %s', (content, code) => {
    const partial = partialOf(classify(text(content)));
    expect(classify(text(content), partial, later(PATIENCE))).toMatchObject({
      change: { kind: 'fail', record: { code, file: fingerprint(bytesOf(content)) } },
    });
  });

  test('records the earlier attempts of a file that does not parse any more', () => {
    const read = text('{', [lost]);
    expect(classify(read, partialOf(classify(read)), later(PATIENCE))).toMatchObject({
      change: { kind: 'fail', record: { attempts: [lost] } },
    });
  });

  test.each([
    [
      'fails at once what can never be read',
      { kind: 'bad', code: 'not-a-file', reason: 'it is a link' },
      undefined,
      {
        kind: 'change',
        change: { kind: 'fail', record: { code: 'not-a-file', file: 'not-a-file' } },
      },
    ],
    [
      'waits for what cannot be read yet',
      { kind: 'unreadable', code: 'EACCES', reason: 'r' },
      undefined,
      { kind: 'wait', partial: { content: 'EACCES', since: context.at } },
    ],
    [
      'fails what has been unreadable for the patience',
      { kind: 'unreadable', code: 'EACCES', reason: 'r' },
      { content: 'EACCES', since: 0 },
      { kind: 'change', change: { kind: 'fail', record: { code: 'EACCES', file: 'EACCES' } } },
    ],
    [
      'releases what has been missing for the patience',
      { kind: 'unreadable', code: 'ENOENT', reason: 'r' },
      { content: 'ENOENT', since: 0 },
      { kind: 'change', change: { kind: 'release' } },
    ],
    [
      'releases what was repaired just now',
      { kind: 'repaired' },
      undefined,
      { kind: 'change', change: { kind: 'release' } },
    ],
  ] as const)('%s', (_what, read, partial, expected) => {
    expect(classify(read, partial)).toMatchObject(expected);
  });
});

test('a bad name fails for good: no other content of the file would help', () => {
  const bad = { kind: 'bad', code: 'bad-name', reason: 'too long' } as const;
  const found = classifyState('x.state', bad, undefined, context);
  const record = found.kind === 'change' && found.change.kind === 'fail' && found.change.record;
  expect(record).toMatchObject({ code: 'bad-name' });
  expect(record).not.toHaveProperty('file');
});

describe('changeOf', () => {
  const hold: Hold = { name: 'x.state', session: 'ant.1' };
  const read: ReadState = {
    file: { state: 'job', payload: {} },
    attempts: [],
    fingerprint: () => 'f1',
    written: 'w1',
    refusedBy: [],
    needsSlot: true,
    events: [],
  };
  const common = { flockwork: 1, state: 'x.state', session: 'ant.1', worker: 'ant' } as const;
  const recordOf = (code: string): FailureRecord => ({ ...common, at: NOW, code, reason: 'r' });
  const settlement = (outcome: Outcome, more: Partial<Settlement> = {}): Settlement => ({
    hold,
    outcome,
    ...more,
  });
  const commit: Outcome = {
    kind: 'commit',
    record: { ...common, started: NOW, finished: NOW },
    rests: true,
  };

  test('adds the fingerprint to a failure without a tick: its cause may be in the file', () => {
    const change = changeOf(settlement({ kind: 'fail', record: recordOf('no-events') }), read, 7);
    expect(change).toEqual({ kind: 'fail', record: { ...recordOf('no-events'), file: 'f1' } });
  });

  test.each([
    ['a tick has failed', 'fatal', { tick: { started: NOW, duration: 1, attempt: 1 } }],
    ['its attempts are used up', 'attempts-exhausted', {}],
  ])('adds no fingerprint when %s', (_why, code, more) => {
    const outcome: Outcome = { kind: 'fail', record: recordOf(code) };
    expect(changeOf(settlement(outcome, more), read, 7)).toEqual(outcome);
  });

  test('adds no fingerprint to a failure of a successor that was never read', () => {
    const { fingerprint: _, ...successor } = read;
    const outcome: Outcome = { kind: 'fail', record: recordOf('no-events') };
    expect(changeOf(settlement(outcome), successor, 7)).toEqual(outcome);
  });

  test('adds to a deferral when the file was written that asks for it', () => {
    const outcome: Outcome = { kind: 'defer', notBefore: '2026-01-01T00:00:01Z' };
    expect(changeOf(settlement(outcome), read, 7)).toEqual({ ...outcome, written: 'w1' });
  });

  test('binds a commit that has read other instances to the cycle (I11)', () => {
    const change = changeOf(settlement({ ...commit, readSet: ['lamp'] }), read, 7);
    expect(change).toEqual({ ...commit, cycle: 7 });
  });

  test('binds a commit that has read nothing to no cycle', () => {
    expect(changeOf(settlement(commit), read, 7)).toBe(commit);
  });

  test.each([
    [undefined, 'unknown here'],
    [{ reason: undefined, needsTrust: false }, 'unknown here'],
    [{ reason: 'runs commands', needsTrust: true }, 'runs commands'],
  ])(
    'refuses for the reason of the stored configuration, if there is one: %j',
    (stored, reason) => {
      const refusal = { code: 'unknown-machine', machine: 'magic', reason: 'unknown here' };
      const outcome: Outcome = { kind: 'refuse', ...refusal, ...(stored && { stored }) };
      expect(changeOf(settlement(outcome), read, 7)).toEqual({ kind: 'refuse', reason });
    },
  );

  test.each<Outcome>([{ kind: 'wait' }, { kind: 'release' }, { kind: 'retry', attempt: lost }])(
    'leaves an outcome as it is: $kind',
    (outcome) => {
      expect(changeOf(settlement(outcome), read, 7)).toEqual(outcome);
    },
  );
});
