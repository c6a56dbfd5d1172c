/**
 * Who is dead: a session whose counter has not been seen to move for the lease time, on the observer's own
 * monotonic clock. No time stamps are compared between machines.
 */

export interface Observation {
  readonly counter: number;
  /** On the observer's monotonic clock: by when this counter was first seen. */
  readonly since: number;
  /** And when it was looked for last: an observer that has slept since then knows nothing newer. */
  readonly looked: number;
}

/**
 * I8: a lease that is not there, or not a counter, is no information; it neither ends nor renews anything.
 * `before` and `after` the look, on the monotonic clock: a slow one makes nobody look older than he is.
 */
export function sight(
  previous: Observation | undefined,
  counter: number | undefined,
  before: number,
  after: number = before,
): Observation {
  const known = counter !== undefined && Number.isSafeInteger(counter) && counter >= 0;
  const [since, looked] = [after, before];
  if (previous === undefined) return { counter: known ? counter : -1, since, looked };
  return known && counter !== previous.counter
    ? { counter, since, looked }
    : { ...previous, looked };
}

/** `lease`: milliseconds. */
export function isDead(sighting: Observation, lease: number): boolean {
  return sighting.looked - sighting.since >= lease;
}
