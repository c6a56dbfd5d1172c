import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { realClock } from '../../src/cli/node-ports.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const DAY = 86_400_000;

test.each([30, 100])('a sleep of %i days, more than a timer holds', async (days) => {
  let isOver = false;
  void realClock.sleep(days * DAY).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(days * DAY - 1);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(isOver).toBe(true);
});

test('it can be ended in any part of it', async () => {
  const stop = new AbortController();
  let isOver = false;
  void realClock.sleep(100 * DAY, stop.signal).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(60 * DAY);
  stop.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(isOver).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});
