import { expect, test, vi } from 'vitest';
import { CommandLimit } from '../../src/worker/command-limit.ts';

test('lets commands enter up to the limit, and one that leaves wakes the first that waits', () => {
  const limit = new CommandLimit(2, () => 0);
  expect([limit.enter(), limit.enter(), limit.enter()]).toEqual([true, true, false]);
  const [first, second] = [vi.fn(), vi.fn()];
  const forget = limit.wait(first);
  limit.wait(second);
  forget();
  limit.leave();
  expect([first, second].map((one) => one.mock.calls.length)).toEqual([0, 1]);
  expect([limit.enter(), limit.enter()]).toEqual([true, false]);
});

test('lowers the limit for a while after a refusal by the system', () => {
  let now = 0;
  const limit = new CommandLimit(Number.POSITIVE_INFINITY, () => now);
  for (let count = 0; count < 9; count += 1) limit.enter();
  limit.refuse();
  expect(limit.max).toBe(6);
  expect(limit.enter()).toBe(false);
  now = 30_000;
  expect(limit.enter()).toBe(true);
});

test('always lets at least one enter', () => {
  const limit = new CommandLimit(10, () => 0);
  limit.enter();
  limit.refuse();
  expect(limit.enter()).toBe(true);
});
