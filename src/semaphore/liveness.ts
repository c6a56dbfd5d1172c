/**
 * Who is dead: a session whose counter has not been seen to move for the lease time, on the observer's own
 * monotonic clock. No time stamps are compared between machines.
 */

export interface Sighting {
  readonly counter: number;
  /** On the observer's monotonic clock: when this counter was first seen. */
  readonly since: number;
}

/** I8: a lease that is not there, or not a counter, is no information; it neither ends nor renews anything. */
export function sight(
  previous: Sighting | undefined,
  counter: number | undefined,
  monotonic: number,
): Sighting {
  const known = counter !== undefined && Number.isSafeInteger(counter) && counter >= 0;
  if (previous === undefined) return { counter: known ? counter : -1, since: monotonic };
  return known && counter !== previous.counter ? { counter, since: monotonic } : previous;
}

/** `lease`: milliseconds. */
export function isDead(sighting: Sighting, monotonic: number, lease: number): boolean {
  return monotonic - sighting.since >= lease;
}
