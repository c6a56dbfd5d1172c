/** Medians, quantiles, and their bad cases. */
import { expect, test } from 'vitest';
import { quantile, summarize } from '../../bench/statistics.ts';

test.each([
  [[5], 0.5, 5],
  [[3, 1, 2], 0.5, 2],
  [[4, 1, 3, 2], 0.5, 2.5],
  [[10, 9, 100], 0, 9],
  [[10, 9, 100], 1, 100],
  [[0, 10], 0.99, 9.9],
])('of %j at %d is %d', (values, share, expected) => {
  expect(quantile(values, share)).toBeCloseTo(expected, 10);
});

test('its input stays as it is', () => {
  const values = [3, 1, 2];
  quantile(values, 0.5);
  expect(values).toEqual([3, 1, 2]);
});

test('no values have no quantile', () => {
  expect(() => quantile([], 0.5)).toThrow(RangeError);
});

test('a summary has the spread', () => {
  expect(summarize([7, 5, 6])).toEqual({ median: 6, min: 5, max: 7, rounds: 3 });
});
