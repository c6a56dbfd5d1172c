/** Four worker processes and 200 states: the plain case, for real. */
import { test } from 'vitest';
import { expectFairFlock } from '../flock.ts';

test(
  '200 states among four workers: each done, ticked exactly once, evenly spread',
  expectFairFlock,
);
