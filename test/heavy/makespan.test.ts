/** The property of test/volume/makespan.test.ts, on many more mixes. */
import fc from 'fast-check';
import { test } from 'vitest';
import { expectNoWaste, mixes } from '../volume/makespan.ts';

const RUNS = 300;

test('no schedule leaves a slot idle for long', async () => {
  await fc.assert(fc.asyncProperty(mixes, expectNoWaste), { numRuns: RUNS });
});
