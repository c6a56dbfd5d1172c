/** Splits recovery and maintenance among live sessions, so that not all of them do all of it. */
import { hash } from './hash.ts';
import { compareCodePoints } from '../../machine/order.ts';

/**
 * Assigns `key` to one live session, provided all agree on the live set. Rotates with the cycle, so that an undetected dead
 * session does not own a key for long.
 */
export function ownsKey(
  key: string,
  self: string,
  living: readonly string[],
  cycle: number,
): boolean {
  const sessions = [...new Set([...living, self])].sort(compareCodePoints);
  return sessions[(hash(key) + cycle) % sessions.length] === self;
}
