/** Real workers in virtual time: no claim waits longer than a cycle while a slot of another worker is free. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NETWORK_PHASES } from '../../src/volume/phases/cycle.ts';
import { expectNoWaste, measure, mixes, type Mix } from './makespan.ts';

const RUNS = 30;
/** The same mixes each time; test/heavy/makespan.test.ts draws others. */
const SEED = 1;

const equal = (count: number, ms: number): number[][] => Array.from({ length: count }, () => [ms]);

describe('a schedule', () => {
  test('leaves no slot idle for long, whatever the durations, workers and slots are', async () => {
    await fc.assert(fc.asyncProperty(mixes, expectNoWaste), { numRuns: RUNS, seed: SEED });
  });

  test.each<[string, Mix]>([
    ['two waves of equal long ticks', { concurrencies: [2, 2, 2, 2], chains: equal(16, 10_000) }],
    ['two waves of longer ones', { concurrencies: [2, 2, 2, 2], chains: equal(16, 40_000) }],
    [
      'two waves, on a network',
      { concurrencies: [2, 2], chains: equal(8, 30_000), phases: NETWORK_PHASES },
    ],
    [
      'short ticks, and a few long ones',
      { concurrencies: [4, 3, 2], chains: [...equal(4, 56_430), ...equal(29, 102)] },
    ],
    [
      'short ticks that turn long',
      {
        concurrencies: [4, 4],
        chains: equal(120, 30).map((_, index) => [index < 100 ? 30 : 20_000]),
      },
    ],
    [
      'chains',
      { concurrencies: [4, 4], chains: Array.from({ length: 9 }, () => [3000, 3000, 3000]) },
    ],
  ])('of %s wastes no slot', async (_what, mix) => {
    await expectNoWaste(mix);
  });

  test('of two waves has no third one', async () => {
    const { schedule: made } = await measure({
      concurrencies: [2, 2, 2, 2],
      chains: equal(16, 10_000),
    });
    const began = made.ticks.map((tick) => tick.began);
    expect(Math.max(...began) - Math.min(...began)).toBeLessThan(2 * 10_000);
    const perWorker = ['w0', 'w1', 'w2', 'w3'].map(
      (name) => made.ticks.filter(({ worker }) => worker === name).length,
    );
    expect(perWorker).toEqual([4, 4, 4, 4]);
  });
});
