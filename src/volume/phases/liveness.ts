/**
 * A session is dead if its counter has not been seen to move for the lease time, on the observer's own monotonic clock. Time
 * stamps of different hosts are never compared.
 */
import { invariant } from '../../machine/invariant.ts';

export interface Observation {
  readonly counter: number;
  /** When this counter was first seen, at the latest, on the observer's monotonic clock, ms. */
  readonly since: number;
  /** When it was last read: an observer that has slept since then knows nothing newer. */
  readonly looked: number;
}

/**
 * I8: a lease that is missing, or not a counter, is no information: it neither ends nor renews anything. `before` and `after`
 * the read, on the monotonic clock. `after` is used as the start of the interval, so a slow read never ages a session.
 */
export function observe(
  previous: Observation | undefined,
  counter: number | undefined,
  before: number,
  after: number = before,
): Observation {
  invariant(before <= after, 'I8: expected before <= after of a look at a lease');
  const known = counter !== undefined && Number.isSafeInteger(counter) && counter >= 0;
  const [since, looked] = [after, before];
  if (previous === undefined) return { counter: known ? counter : -1, since, looked };
  return known && counter !== previous.counter
    ? { counter, since, looked }
    : { ...previous, looked };
}

/** `lease`: milliseconds. */
export function isDead({ looked, since }: Observation, lease: number): boolean {
  return looked - since >= lease;
}
