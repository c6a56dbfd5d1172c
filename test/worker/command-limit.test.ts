import { expect, test, vi } from 'vitest';
import { CommandLimit } from '../../src/worker/command-limit.ts';

test('no more than the limit enter, and one that leaves wakes the first that waits', () => {
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

test('after a refusal by the system fewer enter, for a while', () => {
  let now = 0;
  const limit = new CommandLimit(Number.POSITIVE_INFINITY, () => now);
  for (let count = 0; count < 9; count += 1) limit.enter();
  limit.refuse();
  expect(limit.most).toBe(6);
  expect(limit.enter()).toBe(false);
  now = 30_000;
  expect(limit.enter()).toBe(true);
});

test('one at least may always try', () => {
  const limit = new CommandLimit(10, () => 0);
  limit.enter();
  limit.refuse();
  expect(limit.enter()).toBe(true);
});
