/** The plain case, twenty times, since a single fair run may be luck. */
import { test } from 'vitest';
import { expectFairFlock } from '../flock.ts';

test.each(Array.from({ length: 20 }, (_, index) => index + 1))(
  'run %d: 200 states among four workers, each ticked exactly once, spread within ten percent',
  expectFairFlock,
);
