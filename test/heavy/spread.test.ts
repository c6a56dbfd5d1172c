/** The plain case, twenty times: a fleet that is fair once may have been lucky. */
import { test } from 'vitest';
import { expectFairFlock } from '../flock.ts';

test.each(Array.from({ length: 20 }, (_, index) => index + 1))(
  'run %d: 200 states among four workers, each ticked exactly once, spread within ten percent',
  expectFairFlock,
);
