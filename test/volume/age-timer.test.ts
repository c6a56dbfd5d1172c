/** A claim is old as soon as one of several clocks says so. */
import { expect, test } from 'vitest';
import { AgeTimer } from '../../src/volume/claim.ts';

test.each([
  ['no time has passed', 0, 0, false],
  ['less than the limit', 99, 99, false],
  ['the limit', 100, 100, true],
  ['the host slept: only the wall clock shows it', 0, 100, true],
  ['the wall clock was set back meanwhile', 100, -3_600_000, true],
  ['the wall clock was set back', 5, -3_600_000, true],
])('%s', (_, monotonic, wall, isOld) => {
  let now = [1000, 5_000_000];
  const timer = new AgeTimer([() => now[0]!, () => now[1]!], 100);
  timer.begin('x.state');
  now = [1000 + monotonic, 5_000_000 + wall];
  expect(timer.isOld('x.state')).toBe(isOld);
});

test('a claim is old when it is unknown, or was released', () => {
  const timer = new AgeTimer([() => 0], 100);
  expect(timer.isOld('x.state')).toBe(true);
  timer.begin('x.state');
  expect(timer.isOld('x.state')).toBe(false);
  timer.end('x.state');
  expect(timer.isOld('x.state')).toBe(true);
});
