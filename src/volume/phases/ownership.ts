/** Recovery is split among the living like work, so that not everybody does all of it. */
import { hash } from './hash.ts';
import { compareCodePoints } from './order.ts';

/**
 * Exactly one of `living` gets `key`, when all agree who lives. The cycle moves it on: a keeper who is dead
 * without anybody's notice does not keep it for long.
 */
export function ownsKey(
  key: string,
  self: string,
  living: readonly string[],
  cycle: number,
): boolean {
  const everybody = [...new Set([...living, self])].sort(compareCodePoints);
  return everybody[(hash(key) + cycle) % everybody.length] === self;
}
