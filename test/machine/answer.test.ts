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
import { commandAnswer } from '../../src/machine/command-answer.ts';

const CENTURY = 36_525 * 24 * 3_600_000;
const emit = [{ to: 'bell', event: 'ring', details: { times: 2 } }];

describe('what a tick may answer besides', () => {
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

  test('what it holds is a copy: whoever answered may go on with it', () => {
    const details = { list: [1] };
    const checked = checkAnswer(done(undefined, { emit: [{ to: 'a', event: 'b', details }] }));
    details.list.push(2);
    expect(checked.emit).toEqual([{ to: 'a', event: 'b', details: { list: [1] } }]);
  });

  test.each([
    ['soon', 'is no duration'],
    [-1, 'is no duration'],
    [Number.NaN, 'is no duration'],
    [CENTURY + 1, 'hundred years'],
  ])('a delay of %s is refused', (delay, words) => {
    expect(() => later(delay, 'a')).toThrow(words);
    expect(() => checkAnswer({ kind: 'next', state: 'a', delay })).toThrow(words);
  });

  const emitting = (events: unknown): Answer => done(1, { emit: events } as AnswerOptions);
  test.each([
    [{ to: 'a', event: 'b' }, 'has to be a list'],
    [[null], 'has to be a list'],
    [[{ to: 'a' }], 'has to be a list'],
    [[{ to: 'a', event: '' }], 'has to be a list'],
    [[{ to: 'a', event: 'b', delay: -1 }], 'has to be a list'],
    [[{ to: 'a', event: 'b', delay: Number.NaN }], 'has to be a list'],
    [[{ to: 'a', event: 'b', delay: '3s' }], 'has to be a list'],
    [[{ to: 'a', event: 'b', since: 1 }], 'has to be a list'],
    [[{ to: 'a/b', event: 'c' }], '"a/b", which is no instance'],
    [[{ to: '', event: 'c' }], 'which is no instance'],
    [[{ to: 'x'.repeat(195), event: 'c' }], 'bytes'],
    [[{ to: 'a', event: 'c', details: 1n }], 'bigint'],
    [[{ to: 'a', event: 'c', details: 'x'.repeat(1_100_000) }], 'larger'],
    [Array.from({ length: 1001 }, () => ({ to: 'a', event: 'c' })), 'more than 1000 events'],
  ])('emit of %o is refused', (events, words) => {
    expect(() => checkAnswer(emitting(events))).toThrow(words);
  });

  test.each([[{ kind: 'wait', payload: () => 1 }], [{ kind: 'next', delay: 5 }], [null]])(
    '%o is refused',
    (value) => expect(() => checkAnswer(value)).toThrow(),
  );
});

describe('what a command may print besides', () => {
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
    // What only looks like one is a payload, as any other JSON.
    ['{"wait": "a while"}', 'on', { kind: 'next', state: 'on', payload: { wait: 'a while' } }],
    ['{"emit": 4}', undefined, { kind: 'done', output: { emit: 4 } }],
    ['{"later": null}', undefined, { kind: 'done', output: { later: null } }],
  ])('%s, configured next %s', (stdout, following, answer) => {
    expect(commandAnswer(stdout, following, 0)).toEqual(answer);
  });

  test.each([
    ['{"later": "1s"}', 'without a state'],
    ['{"later": "soon", "next": "a"}', 'is no duration'],
    ['{"emit": [{"to": "x"}], "done": 1}', 'has to be a list'],
    ['{"emit": [], "count": 1}', 'unknown key count'],
    ['{"wait": true, "paylod": 1}', 'unknown key paylod'],
  ])('%s is a failed attempt', (stdout, words) => {
    expect(() => commandAnswer(stdout, undefined, 0)).toThrow(words);
  });
});
