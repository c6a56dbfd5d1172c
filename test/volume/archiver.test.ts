/** Which states may be archived, and which are the newest. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  limitOf,
  mayBeArchived,
  placeOf,
  surplus,
  type DoneState,
} from '../../src/volume/archiver.ts';

const RULES = { keep: 0, age: 1000, pause: 100 };
const OLD: DoneState = {
  known: 1000,
  hasFailed: false,
  isClaimed: false,
  isStaged: false,
  isOpen: false,
};

test('a state may be archived when it was done long ago and no session needs it', () => {
  expect(mayBeArchived(OLD, RULES)).toBe(true);
});

test.each<[string, Partial<DoneState>]>([
  ['too young', { known: 999 }],
  ['never seen before', { known: Number.NEGATIVE_INFINITY }],
  ['failed as well', { hasFailed: true }],
  ['claimed', { isClaimed: true }],
  ['staged', { isStaged: true }],
  ['followed by a state that is not done', { isOpen: true }],
])('a state that is %s may not be archived', (_, change) => {
  expect(mayBeArchived({ ...OLD, ...change }, RULES)).toBe(false);
});

describe('surplus', () => {
  test.each([
    [0, 0, 0],
    [1, 0, 1],
    [3, 3, 0],
    [4, 3, 1],
    [112_500, 100_000, 0],
    [112_501, 100_000, 12_501],
    [1e6, Number.POSITIVE_INFINITY, 0],
  ])('of %d states, with %d to keep, %d are archived', (done, keep, expected) => {
    expect(surplus(done, keep)).toBe(expected);
  });
});

describe('limitOf', () => {
  test('keeps exactly the given number of newest states, also when all are of the same instant', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 50 }),
        fc.array(fc.nat(3), { minLength: 50, maxLength: 50 }),
        fc.nat(50),
        (names, times, count) => {
          const gone = Math.min(count, names.length);
          const places = names.map((name, index) => placeOf(name, times[index]! * 1000));
          const limit = limitOf(places, gone / names.length);
          const archived = places.filter((place) => place <= limit);
          const kept = places.filter((place) => place > limit);
          expect(archived.length).toBe(gone);
          expect(Math.max(...archived, -1)).toBeLessThan(Math.min(...kept, Infinity));
        },
      ),
    );
  });

  test('is minus infinity when there are no states', () => {
    expect(limitOf([], 1)).toBe(Number.NEGATIVE_INFINITY);
  });
});
