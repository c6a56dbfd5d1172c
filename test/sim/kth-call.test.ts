/** One small run, again and again: each time one file operation fails in one way, the next time another. */
import { expect, test } from 'vitest';
import { allFailures, failing, failuresOf, operationsOf, powerCuts, SMALL } from './small-run.ts';

const MINUTES = 60_000;

test(
  'whichever call fails, and however it does, everything is done in the end',
  async () => {
    const operations = await operationsOf(SMALL);
    expect(operations.length).toBeGreaterThan(100);
    const trials = await allFailures(SMALL);
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

test('the power takes a heart like any other call', async () => {
  const beats = (await operationsOf(SMALL)).filter(({ method }) => method === 'overwrite');
  expect(beats.length).toBeGreaterThan(3);
  for (const beat of beats) {
    const trace: string[] = [];
    await failing(SMALL, { ...beat, fault: { kind: 'power' } }).run((line) => trace.push(line));
    expect(trace.filter((line) => line.endsWith('the power is back'))).toHaveLength(1);
  }
});
