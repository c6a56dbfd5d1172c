import { describe, expect, test } from 'vitest';
import { hash } from '../../src/semaphore/hash.ts';
import { isDead, sight } from '../../src/semaphore/liveness.ts';
import { isMine } from '../../src/semaphore/share.ts';

describe('who is dead', () => {
  test('a counter that has not moved for the lease, on the observer’s own clock', () => {
    const sighting = sight(undefined, 7, 1000);
    expect(isDead(sighting, 10_999, 10_000)).toBe(false);
    expect(isDead(sighting, 11_000, 10_000)).toBe(true);
  });

  test('seeing the same counter again does not renew it', () => {
    const again = sight(sight(undefined, 7, 1000), 7, 9000);
    expect(isDead(again, 11_000, 10_000)).toBe(true);
  });

  test('a counter that moves does, in either direction: a new file may begin anew', () => {
    for (const counter of [8, 2]) {
      expect(isDead(sight(sight(undefined, 7, 1000), counter, 9000), 11_000, 10_000)).toBe(false);
    }
  });

  test.each([[undefined], [Number.NaN], [-1], [1.5], [2 ** 60]])(
    'I8: %s is no information: it neither ends nor renews anything',
    (strange) => {
      const before = sight(undefined, 7, 1000);
      expect(sight(before, strange, 5000)).toEqual(before);
    },
  );

  test('a session whose lease was never seen has its time too', () => {
    const sighting = sight(undefined, undefined, 1000);
    expect(isDead(sighting, 10_999, 10_000)).toBe(false);
    expect(isDead(sighting, 11_000, 10_000)).toBe(true);
  });
});

describe('recovery is split among the living', () => {
  const living = ['a', 'b', 'c'];

  test('each chore is exactly one’s, when all agree', () => {
    for (let cycle = 0; cycle < 50; cycle += 1) {
      const keepers = living.filter((self) => isMine('x.state', self, living, cycle));
      expect(keepers.length).toBe(1);
    }
  });

  test('and moves on with the cycle, so that nobody keeps it for ever', () => {
    const mine = [0, 1, 2].filter((cycle) => isMine('x.state', 'a', living, cycle));
    expect(mine.length).toBe(1);
  });

  test('whoever sees nobody else does everything', () => {
    expect(isMine('x.state', 'a', [], 5)).toBe(true);
  });
});

test('the hash spreads names evenly, also those that differ in one digit', () => {
  const buckets = new Array<number>(16).fill(0);
  for (let index = 0; index < 16_000; index += 1) buckets[hash(`s${index}`) >>> 28]! += 1;
  for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
