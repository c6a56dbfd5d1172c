import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventIdProblem, eventKey, idInKey, isHashedKey } from '../../src/machine/event-id.ts';

const SAFE = /^[A-Za-z0-9_%-][A-Za-z0-9_.%-]{0,35}$/;
const SMALL = ['a', 'A', '.', '/', '%', '-', '2', 'F', '\u00e9', 'e\u0301', '😀', '\n', '\ufffd'];
/** Short ones of few characters, which are often alike, and any others. */
const ids = fc.oneof(
  fc.string({ unit: fc.constantFrom(...SMALL), minLength: 1, maxLength: 5 }),
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 200 })
    .filter((id) => eventIdProblem(id) === undefined),
  fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 30, maxLength: 40 }),
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 34, maxLength: 34 })
    .map((hash) => `%-${hash}`),
);

describe('eventKey', () => {
  test.each(['a', 'payment-991', '-x', '_', 'a.b', 'A..', 'x'.repeat(36), '0'.repeat(36)])(
    'is the id when that is a file name of 36 characters at most: %j',
    (id) => {
      expect(eventKey(id)).toBe(id);
    },
  );

  test.each([
    ['.a', '%2Ea'],
    ['a/b', 'a%2Fb'],
    ['a~b', 'a%7Eb'],
    ['a+1', 'a%2B1'],
    ['a@b', 'a%40b'],
    ['100%', '100%25'],
    ['ä', '%C3%A4'],
    ['a\n', 'a%0A'],
    [' ', '%20'],
    ["!*'()", '%21%2A%27%28%29'],
    ['😀', '%F0%9F%98%80'],
  ])('escapes the bytes that a file name should not have: %j', (id, key) => {
    expect(eventKey(id)).toBe(key);
  });

  test('is a hash when that would be too long', () => {
    expect(eventKey('x'.repeat(37))).toMatch(/^%-[0-9a-f]{34}$/);
    expect(eventKey('/'.repeat(12))).toBe('%2F'.repeat(12));
    expect(eventKey('/'.repeat(13))).toMatch(/^%-[0-9a-f]{34}$/);
  });

  test('is no hash of an id when the id looks like one', () => {
    const hashed = eventKey('x'.repeat(37));
    expect(eventKey(hashed)).not.toBe(hashed);
  });

  test('is a file name of 36 bytes at most, and differs for each id', () => {
    fc.assert(
      fc.property(ids, ids, (one, other) => {
        for (const id of [one, other]) expect(eventKey(id)).toMatch(SAFE);
        expect(eventKey(one) === eventKey(other)).toBe(one === other);
      }),
      { numRuns: 2000 },
    );
  });

  test('differs for ids that differ in case, or by normalization', () => {
    expect(eventKey('\u00e9')).not.toBe(eventKey('e\u0301'));
    expect(eventKey('Pay')).not.toBe(eventKey('pay'));
  });
});

describe('idInKey', () => {
  test('is the inverse of eventKey when the key is not hashed', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const key = eventKey(id);
        expect(idInKey(key)).toBe(isHashedKey(key) ? undefined : id);
      }),
    );
  });

  test('accepts no other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('%', '2', 'F', 'a', '.', '-') }), (text) => {
        const id = idInKey(text);
        if (id !== undefined) expect(eventKey(id)).toBe(text);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('eventIdProblem', () => {
  test.each(['a', ' ', '.', '/', '\n', '\ufffd', 'x'.repeat(200), '😀'.repeat(200)])(
    'accepts any text of 1 to 200 characters: %j',
    (id) => {
      expect(eventIdProblem(id)).toBeUndefined();
    },
  );

  test.each([
    ['', 'expected 1 to 200 characters, got none'],
    ['x'.repeat(201), 'expected 1 to 200 characters, got more, beginning with "xxx'],
    ['😀'.repeat(201), 'expected 1 to 200 characters, got more'],
    ['x'.repeat(100_000), 'got more'],
    ['a\0b', 'it contains NUL'],
    ['a\ud83d', 'it contains half of a surrogate pair'],
    ['\ude00', 'it contains half of a surrogate pair'],
  ])('refuses %j with a reason', (id, reason) => {
    const problem = eventIdProblem(id)!;
    expect(problem).toContain(reason);
    expect(problem.length).toBeLessThan(150);
  });
});
