/** The share of their time for which three workers tick, with ticks of a tenth of a second to ten. */
import { expect, test } from 'vitest';
import { cycleLength, LOCAL_PHASES } from '../../src/volume/phases/cycle.ts';
import { moments } from './moments.ts';

const [WORKERS, CONCURRENCY] = [3, 4];
const HANDS = WORKERS * CONCURRENCY;
const CYCLE = cycleLength(LOCAL_PHASES);

test.each([
  [100, 2400],
  [1000, 600],
  [2000, 360],
  [10_000, 60],
])('of ticks of %d ms, all hands are busy 95 % of the time and more', async (duration, count) => {
  const began = await moments('debug: tick', {
    workers: WORKERS,
    concurrency: CONCURRENCY,
    duration,
    count,
  });
  expect(began).toHaveLength(count);
  // Without the first cycle, in which durations are not known yet, and the last, with too few states for all.
  const [from, to] = [Math.min(...began) + CYCLE, Math.max(...began) + duration - CYCLE];
  const busy = began
    .map((start) => Math.min(to, start + duration) - Math.max(from, start))
    .reduce((sum, ms) => sum + Math.max(0, ms), 0);
  const share = busy / (HANDS * (to - from));
  console.log(`${duration} ms: ${(100 * share).toFixed(1)} % of ${Math.round(to - from)} ms`);
  expect(share).toBeGreaterThan(0.95);
});
