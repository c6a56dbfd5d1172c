/** One small run, repeated with each file operation failing in each way. */
import { expect, test } from 'vitest';
import { allFailures, failing, failuresOf, operationsOf, powerCuts, SMALL } from './small-run.ts';

const MINUTES = 60_000;

test(
  'finishes when any one call fails in any way',
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
  'finishes after a power cut at any time that keeps %d of the unsynced changes',
  async (keep) => {
    const trials = await powerCuts(SMALL, [keep]);
    expect(trials.length).toBeGreaterThan(100);
    expect(await failuresOf(trials)).toEqual([]);
  },
  10 * MINUTES,
);

test('a power fault at a heartbeat cuts the power once', async () => {
  const beats = (await operationsOf(SMALL)).filter(({ method }) => method === 'overwrite');
  expect(beats.length).toBeGreaterThan(3);
  for (const beat of beats) {
    const trace: string[] = [];
    await failing(SMALL, { ...beat, fault: { kind: 'power' } }).run((line) => trace.push(line));
    expect(trace.filter((line) => line.endsWith('the power is back'))).toHaveLength(1);
  }
});
