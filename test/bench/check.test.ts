/** The comparison of ratios with those that are stored. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compareRatios, MAX_CHANGE, ratioOf } from '../../bench/check/ratios.ts';

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

describe('compareRatios', () => {
  test('finds what is slower by more than the margin', () => {
    const stored = { drain: 2, chains: 2, start: 1 };
    const measured = { drain: 2 * MAX_CHANGE + 0.01, chains: 2 * MAX_CHANGE - 0.01, start: 0.5 };
    expect(compareRatios(measured, stored).map(({ name, isSlower }) => [name, isSlower])).toEqual([
      ['drain', true],
      ['chains', false],
      ['start', false],
    ]);
  });

  test('refuses one that is not stored', () => {
    expect(() => compareRatios({ drain: 1 }, { chains: 1 })).toThrow('a ratio "drain"');
  });
});

test('the stored ratios are of all that is measured', () => {
  const path = join(import.meta.dirname, '../../bench/check.json');
  expect(Object.keys(JSON.parse(readFileSync(path, 'utf8')) as object)).toEqual([
    'start',
    'submit',
    'drain',
    'chains',
  ]);
});
