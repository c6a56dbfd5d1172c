/** The nearest known name, by edit distance. */
import { describe, expect, test } from 'vitest';
import { editDistance, nearest, suggestion } from '../../src/machine/errors.ts';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['state', 'state', 0],
    ['', 'abc', 3],
    ['paylod', 'payload', 1],
    ['payloadd', 'payload', 1],
    ['stste', 'state', 1],
    ['satte', 'state', 1],
    ['kitten', 'sitting', 3],
  ])('counts the mistakes between %j and %j', (one, other, count) => {
    expect(editDistance(one, other)).toBe(count);
    expect(editDistance(other, one)).toBe(count);
  });
});

describe('nearest', () => {
  const KNOWN = ['state', 'payload', 'machine', 'notBefore', 'priority'];

  test.each([
    ['paylod', 'payload'],
    ['notbefore', 'notBefore'],
    ['sate', 'state'],
    ['piroirty', 'priority'],
    ['colour', undefined],
    ['x', undefined],
  ])('%s suggests %s', (word, found) => {
    expect(nearest(word, KNOWN)).toBe(found);
  });
});

test('suggestion offers the nearest name, or all names', () => {
  expect(suggestion('paylod', ['state', 'payload'])).toBe('; did you mean payload?');
  expect(suggestion('colour', ['state', 'payload'])).toBe('; there are state, payload');
});
