import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isNetworkFileSystem, realClock } from '../../src/api/node-ports.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const DAY = 86_400_000;

test.each([30, 100])('sleeps %i days, longer than one timer', async (days) => {
  let isOver = false;
  void realClock.sleep(days * DAY).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(days * DAY - 1);
  expect(isOver).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(isOver).toBe(true);
});

test('ends a long sleep when the signal aborts', async () => {
  const stop = new AbortController();
  let isOver = false;
  void realClock.sleep(100 * DAY, stop.signal).then(() => (isOver = true));
  await vi.advanceTimersByTimeAsync(60 * DAY);
  stop.abort();
  await vi.advanceTimersByTimeAsync(0);
  expect(isOver).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('isNetworkFileSystem returns true when the file system cannot be told', () => {
  expect(isNetworkFileSystem('/there/is/no/such/directory')).toBe(true);
});
