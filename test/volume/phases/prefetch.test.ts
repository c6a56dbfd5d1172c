/** How many claims a worker makes and keeps before it has a slot for them. */
import { describe, expect, test } from 'vitest';
import {
  KnownFleet,
  prefetchTarget,
  unstartedToKeep,
} from '../../../src/volume/phases/prefetch.ts';
import { worker } from './given.ts';

const MEMORY = 10_000;

describe('the prefetch target', () => {
  test.each([
    [0, 0],
    [0.4, 0],
    [0.6, 1],
    [40.2, 40],
  ])('rounds the forecast of a cycle: %d to %d', (mean, expected) => {
    expect(prefetchTarget({ mean, deviation: 1 }, false)).toBe(expected);
  });

  test('is 0 if states are scarce', () => {
    expect(prefetchTarget({ mean: 40, deviation: 0 }, true)).toBe(0);
  });
});

describe('unstarted claims to keep', () => {
  test('are those that will very likely begin within a cycle, if states are scarce', () => {
    expect(unstartedToKeep({ mean: 4, deviation: 0 }, true)).toBe(4);
    expect(unstartedToKeep({ mean: 4, deviation: 1 }, true)).toBe(2);
    expect(unstartedToKeep({ mean: 1, deviation: 0.9 }, true)).toBe(0);
  });

  test('are twice the forecast otherwise, and none with long ticks', () => {
    expect(unstartedToKeep({ mean: 4, deviation: 3 }, false)).toBe(8);
    expect(unstartedToKeep({ mean: 0.3, deviation: 0.5 }, false)).toBe(0);
  });
});

describe('states', () => {
  const known = (): KnownFleet => new KnownFleet('a.boot', MEMORY);
  const [a, b] = [worker('a', 4), worker('b', 2)];

  test('are never scarce for a worker that is alone', () => {
    const fleet = known();
    fleet.see([a], 0);
    expect(fleet.isScarce(0)).toBe(false);
  });

  test('are scarce if there are fewer than two for each slot', () => {
    const fleet = known();
    fleet.see([a, b], 0);
    expect([fleet.isScarce(11), fleet.isScarce(12)]).toEqual([true, false]);
  });

  test('are scarce also while another worker has no room', () => {
    const fleet = known();
    fleet.see([a, b], 0);
    fleet.see([a], MEMORY);
    expect(fleet.isScarce(3)).toBe(true);
  });

  test('are not scarce because of a worker that has not been seen for long', () => {
    const fleet = known();
    fleet.see([a, b], 0);
    fleet.see([a], MEMORY + 1);
    expect(fleet.isScarce(3)).toBe(false);
  });
});
