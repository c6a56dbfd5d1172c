/** Old claims, by whichever clock says so. */
import { expect, test } from 'vitest';
import { ClaimTimer } from '../../src/volume/claim-timer.ts';

test.each([
  ['nothing passed', 0, 0, false],
  ['not quite long', 99, 99, false],
  ['long', 100, 100, true],
  ['the host slept: only the wall clock knows', 0, 100, true],
  ['the wall clock was set back meanwhile', 100, -3_600_000, true],
  ['the wall clock was set back', 5, -3_600_000, true],
])('%s', (_, monotonic, wall, isOld) => {
  let now = [1000, 5_000_000];
  const ages = new ClaimTimer(() => now, 100);
  ages.begin('x.state');
  now = [1000 + monotonic, 5_000_000 + wall];
  expect(ages.isOld('x.state')).toBe(isOld);
});

test('a claim that nobody told of, or that was given up, is old', () => {
  const ages = new ClaimTimer(() => [0], 100);
  expect(ages.isOld('x.state')).toBe(true);
  ages.begin('x.state');
  expect(ages.isOld('x.state')).toBe(false);
  ages.end('x.state');
  expect(ages.isOld('x.state')).toBe(true);
});
