/** One small run, again and again: each time one file operation fails in one way, the next time another. */
import { expect, test } from 'vitest';
import { failing, failuresOf, faultsOf, operationsOf, powerCuts, SMALL } from './small-run.ts';

const MINUTES = 60_000;

test(
  'whichever call fails, and however it does, everything is done in the end',
  async () => {
    const operations = await operationsOf(SMALL);
    expect(operations.length).toBeGreaterThan(100);
    const trials = operations.flatMap((one) =>
      faultsOf(one).map((fault) => failing(SMALL, one, fault)),
    );
    console.log(`${operations.length} operations, ${trials.length} runs`);
    expect(await failuresOf(trials)).toEqual([]);
  },
  10 * MINUTES,
);

test.each([0, 1])(
  'whenever the power goes, and keeps %d of what was not synced, everything is done in the end',
  async (keep) => {
    const trials = await powerCuts(SMALL, [keep]);
    expect(trials.length).toBeGreaterThan(100);
    expect(await failuresOf(trials)).toEqual([]);
  },
  10 * MINUTES,
);
