import { describe, expect, test } from 'vitest';
import {
  checkAnswer,
  done,
  later,
  next,
  wait,
  type Answer,
  type AnswerOptions,
} from '../../src/machine/answer.ts';
import { commandAnswer } from '../../src/machine/command-result.ts';

const CENTURY = 36_525 * 24 * 3_600_000;
const emit = [{ to: 'bell', event: 'ring', details: { times: 2 } }];

describe('checkAnswer', () => {
  test.each([
    [later('1.5s', 'a'), { kind: 'next', state: 'a', delay: 1500 }],
    [later(7, 'a', { b: 1 }), { kind: 'next', state: 'a', payload: { b: 1 }, delay: 7 }],
    [later(0, 'a'), { kind: 'next', state: 'a', delay: 0 }],
    [wait(), { kind: 'wait' }],
    [wait(null), { kind: 'wait', payload: null }],
    [done(undefined, { emit }), { kind: 'done', emit }],
    [next('a', undefined, { emit: [] }), { kind: 'next', state: 'a', emit: [] }],
    [wait([1], { emit }), { kind: 'wait', payload: [1], emit }],
    [later(1, 'a', 2, { emit }), { kind: 'next', state: 'a', payload: 2, delay: 1, emit }],
  ])('%o', (answer, is) => {
    expect(answer).toEqual(is);
    expect(checkAnswer(answer)).toEqual(is);
  });

  test('copies the answer, which the tick may change afterwards', () => {
    const details = { list: [1] };
    const checked = checkAnswer(done(undefined, { emit: [{ to: 'a', event: 'b', details }] }));
    details.list.push(2);
    expect(checked.emit).toEqual([{ to: 'a', event: 'b', details: { list: [1] } }]);
  });

  test.each([
    ['soon', 'is not a valid duration'],
    [-1, 'is not a valid duration'],
    [Number.NaN, 'is not a valid duration'],
    [CENTURY + 1, 'hundred years'],
  ])('refuses a delay of %s', (delay, words) => {
    expect(() => later(delay, 'a')).toThrow(words);
    expect(() => checkAnswer({ kind: 'next', state: 'a', delay })).toThrow(words);
  });

  const emitting = (events: unknown): Answer => done(1, { emit: events } as AnswerOptions);
  test.each([
    [{ to: 'a', event: 'b' }, 'must be a list'],
    [[null], 'must be a list'],
    [[{ to: 'a' }], 'must be a list'],
    [[{ to: 'a', event: '' }], 'must be a list'],
    [[{ to: 'a', event: 'b', delay: -1 }], 'must be a list'],
    [[{ to: 'a', event: 'b', delay: Number.NaN }], 'must be a list'],
    [[{ to: 'a', event: 'b', delay: '3s' }], 'must be a list'],
    [[{ to: 'a', event: 'b', since: 1 }], 'must be a list'],
    [[{ to: 'a/b', event: 'c' }], '"a/b", which is not a valid instance'],
    [[{ to: '', event: 'c' }], 'which is not a valid instance'],
    [[{ to: 'x'.repeat(195), event: 'c' }], 'bytes'],
    [[{ to: 'a', event: 'c', details: 1n }], 'bigint'],
    [[{ to: 'a', event: 'c', details: 'x'.repeat(1_100_000) }], 'larger'],
    [Array.from({ length: 1001 }, () => ({ to: 'a', event: 'c' })), 'more than 1000 events'],
  ])('refuses emit: %o', (events, words) => {
    expect(() => checkAnswer(emitting(events))).toThrow(words);
  });

  test.each([[{ kind: 'wait', payload: () => 1 }], [{ kind: 'next', delay: 5 }], [null]])(
    '%o is refused',
    (value) => expect(() => checkAnswer(value)).toThrow(),
  );
});

describe('commandAnswer', () => {
  test.each([
    [
      '{"next": "a", "later": "2m"}',
      undefined,
      { kind: 'next', state: 'a', payload: 0, delay: 120_000 },
    ],
    ['{"later": 5, "payload": 1}', 'on', { kind: 'next', state: 'on', payload: 1, delay: 5 }],
    ['{"wait": true}', 'on', { kind: 'wait', payload: 0 }],
    ['{"wait": true, "payload": [1]}', undefined, { kind: 'wait', payload: [1] }],
    [
      '{"emit": [{"to": "x", "event": "e"}]}',
      'on',
      { kind: 'next', state: 'on', payload: 0, emit: [{ to: 'x', event: 'e' }] },
    ],
    ['{"emit": [], "payload": 4}', 'on', { kind: 'next', state: 'on', payload: 4, emit: [] }],
    ['{"emit": []}', undefined, { kind: 'done', emit: [] }],
    ['{"done": 1, "emit": []}', 'on', { kind: 'done', output: 1, emit: [] }],
    // Looks like an answer, but is a payload like any other JSON.
    ['{"wait": "a while"}', 'on', { kind: 'next', state: 'on', payload: { wait: 'a while' } }],
    ['{"emit": 4}', undefined, { kind: 'done', output: { emit: 4 } }],
    ['{"later": null}', undefined, { kind: 'done', output: { later: null } }],
  ])('accepts %s with the configured next %s', (stdout, following, answer) => {
    expect(commandAnswer(stdout, following, 0)).toEqual(answer);
  });

  test.each([
    ['{"later": "1s"}', 'without a state'],
    ['{"later": "soon", "next": "a"}', 'is not a valid duration'],
    ['{"emit": [{"to": "x"}], "done": 1}', 'must be a list'],
    ['{"emit": [], "count": 1}', 'unknown key count'],
    ['{"wait": true, "paylod": 1}', 'unknown key paylod'],
  ])('refuses %s', (stdout, words) => {
    expect(() => commandAnswer(stdout, undefined, 0)).toThrow(words);
  });
});
