import { describe, expect, test } from 'vitest';
import { bugOf, invariant, InvariantError, throwBug } from '../../src/machine/invariant.ts';

const RULE = 'I6: expected one hold of a state';

function caught(act: () => void): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('invariant', () => {
  test('does nothing when it holds', () => {
    expect(caught(() => invariant(true, RULE, 'a.state', 'ant.1'))).toBeUndefined();
  });

  test.each([
    [[], RULE, {}],
    [['a.state'], `${RULE}; state a.state`, { state: 'a.state' }],
    [
      ['a.state', 'ant.1'],
      `${RULE}; state a.state, session ant.1`,
      { state: 'a.state', session: 'ant.1' },
    ],
    [[undefined, 'ant.1'], `${RULE}; session ant.1`, { session: 'ant.1' }],
  ] as const)(
    'names the rule, the state and the session when it fails: %o',
    (about, message, facts) => {
      const error = caught(() => invariant(false, RULE, ...about));
      expect(error).toBeInstanceOf(InvariantError);
      expect(error).toMatchObject({ name: 'InvariantError', code: 'invariant', message, facts });
    },
  );
});

describe('bugOf', () => {
  test('is a failed assertion itself', () => {
    const error = new InvariantError(RULE);
    expect(bugOf(error)).toBe(error);
  });

  test.each([TypeError, ReferenceError, RangeError])(
    'is made of a %o, with its cause',
    (Mistake) => {
      const error = new Mistake('no such thing');
      expect(bugOf(error)).toMatchObject({
        code: 'invariant',
        message: `unexpected ${error.name}: no such thing`,
        cause: error,
      });
    },
  );

  test.each([
    ['a file system', Object.assign(new Error('EIO'), { code: 'EIO' })],
    [
      'an argument that Node refuses',
      Object.assign(new TypeError('bad'), { code: 'ERR_INVALID_ARG_VALUE' }),
    ],
    ['unknown origin', new Error('perhaps it passes')],
    ['a text that is not JSON', new SyntaxError('unexpected end')],
    ['an abort', new DOMException('aborted', 'AbortError')],
    ['a throw of nothing', undefined],
  ])('is none when the error is of %s', (_, error) => {
    expect(bugOf(error)).toBeUndefined();
    expect(caught(() => throwBug(error))).toBeUndefined();
  });

  test('is thrown by throwBug', () => {
    const error = new InvariantError(RULE);
    expect(caught(() => throwBug(error))).toBe(error);
  });
});
