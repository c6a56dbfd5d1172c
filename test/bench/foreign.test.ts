/** Foreign load: what counts as busy, and what is subtracted from it. */
import { describe, expect, test } from 'vitest';
import { busyOf, spanBetween, watchLoad, type LoadSample } from '../../bench/foreign.ts';

describe('busyOf', () => {
  test('adds up all but idle, waiting and guests, of all cores together, when it reads /proc/stat', () => {
    const stat =
      'cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5 0 0\nctxt 99\n';
    expect(busyOf(stat)).toBe((100 + 20 + 30 + 6 + 7 + 8) * 10);
  });
});

describe('spanBetween', () => {
  const before: LoadSample = { at: 1000, busy: 50_000, children: 300, self: 20, kernel: 5 };
  const after = (changes: Partial<LoadSample>): LoadSample => ({ ...before, at: 3000, ...changes });

  test('subtracts the processes of the benchmark, itself and the threads of the kernel', () => {
    const span = spanBetween(
      before,
      after({ busy: 53_600, children: 2300, self: 120, kernel: 105 }),
    );
    expect(span).toEqual({ seconds: 2, cpu: 2000, foreign: (3600 - 2000 - 100 - 100) / 2000 });
  });

  test('is never below 0', () => {
    expect(spanBetween(before, after({ busy: 50_100, children: 500 })).foreign).toBe(0);
  });

  test('is 0 when no time has passed', () => {
    expect(spanBetween(before, before)).toEqual({ seconds: 0, cpu: 0, foreign: 0 });
  });
});

test('a span of this machine has all figures', () => {
  const { seconds, cpu, foreign } = watchLoad()();
  expect([seconds, cpu, foreign].every((one) => one >= 0 && Number.isFinite(one))).toBe(true);
});
