/**
 * Assertions of the program, as the simulator finds them: of each of these, the line that upholds it is taken out. Other seeds
 * may find one after changes of the simulator: `node --import ./test/mutants/hook.ts test/mutants/first-failure.ts volume SEED…`.
 */
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/machine/invariant.ts';
import { isExpectedEnd, judgeRun } from '../../src/sim/outcome.ts';
import { ASSERTED } from '../mutants/assertions.ts';
import { firstFailure } from '../mutants/first-failure-of.ts';

describe('an assertion fails in the simulator', () => {
  test.each(ASSERTED)('when $name', async ({ message, seed, file, find, replace }) => {
    const found = await firstFailure([seed], { file, find, replace });
    expect(found).toMatchObject({ verdict: 'safety', message: expect.stringContaining(message) });
  });

  test('only with a mutant', async () => {
    const seeds = [...new Set(ASSERTED.map(({ seed }) => seed))];
    expect(await firstFailure(seeds)).toBeNull();
  });
});

describe('the end of a process', () => {
  test('is a finding, in the words of the assertion, when one has failed', () => {
    const error = new InvariantError('I6: expected one hold; state a.state', { state: 'a.state' });
    expect(isExpectedEnd(error)).toBe(false);
    expect(judgeRun(error, undefined)).toEqual({ verdict: 'safety', message: error.message });
  });

  test('is a crash, with its stack, when another error has ended it', () => {
    const cause = new TypeError('x is undefined');
    const error = new InvariantError('unexpected TypeError: x is undefined', {}, cause);
    expect(isExpectedEnd(error)).toBe(false);
    expect(judgeRun(error, undefined)).toEqual({ verdict: 'crash', message: cause.stack });
  });

  test('is expected when the volume is gone', () => {
    expect(isExpectedEnd(Object.assign(new Error('gone'), { code: 'volume-gone' }))).toBe(true);
  });
});
