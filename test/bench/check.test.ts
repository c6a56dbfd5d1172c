/** The comparison of ratios with those that are stored. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  changeOf,
  limitOf,
  MAX_CHANGE,
  MAX_CHANGE_ELSEWHERE,
  ratioOf,
  type Stored,
} from '../../bench/check/ratios.ts';

describe('ratioOf', () => {
  test('is not changed when most rounds of one side were disturbed', () => {
    const rounds = [
      { flockwork: 160, floor: 50 },
      { flockwork: 100, floor: 70 },
      { flockwork: 130, floor: 55 },
      { flockwork: 250, floor: 90 },
    ];
    expect(ratioOf(rounds)).toBe(2);
  });

  test('grows with every round of Flockwork', () => {
    const slowed = [100, 110].map((flockwork) => ({ flockwork: flockwork * 1.25, floor: 50 }));
    expect(ratioOf(slowed)).toBe(2.5);
  });
});

describe('changeOf', () => {
  test('is the ratio over the stored one', () => {
    expect(changeOf('drain', 2.5, { processor: 'x', ratios: { drain: 2, chains: 1 } })).toBe(1.25);
  });

  test('refuses one that is not stored', () => {
    expect(() => changeOf('drain', 1, { processor: 'x', ratios: { chains: 1 } })).toThrow(
      'a ratio "drain"',
    );
  });
});

describe('limitOf', () => {
  const stored = { processor: 'x', ratios: {} };

  test.each([
    ['on the same processor', 'x', 0.5, MAX_CHANGE],
    ['on another processor', 'y', 0, MAX_CHANGE_ELSEWHERE],
    ['beside foreign load', 'x', 0.51, MAX_CHANGE_ELSEWHERE],
  ])('%s', (_where, processor, foreign, limit) => {
    expect(limitOf(stored, processor, foreign)).toBe(limit);
  });

  test('a slow-down of a quarter is beyond the margin', () => {
    expect(MAX_CHANGE).toBeLessThan(1.25);
  });
});

test('the stored ratios are of all that is measured', () => {
  const path = join(import.meta.dirname, '../../bench/check.json');
  const { ratios } = JSON.parse(readFileSync(path, 'utf8')) as Stored;
  expect(Object.keys(ratios)).toEqual(['start', 'submit', 'drain', 'chains']);
});
