/** `--assign zip`: the original's pairing, for fleets that mix with it. */
import { invariant } from '../../machine/invariant.ts';
import type { RosterEntry, Split } from './assignment.ts';
import { compareCodePoints } from '../../machine/order.ts';
import type { Ring } from './ring.ts';

/**
 * Pairs sorted workers with sorted states, one each, first with first, independent of the cycle. Only a state that the paired
 * worker refused goes to the next that has not, or the same pair would meet in every cycle for ever (I7).
 */
export function assignZip(roster: readonly RosterEntry[], ring: Ring): Split {
  const sessions = roster
    .toSorted((a, b) => compareCodePoints(a.name, b.name))
    .map(({ session }) => session);
  const split: Split = new Map(sessions.map((session) => [session, []]));
  const free = new Set(sessions);
  for (const name of ring.names.sort(compareCodePoints)) {
    const refusedBy = ring.refusedBy(name);
    const refuses = (session: string): boolean => refusedBy.includes(session);
    const isHopeless = sessions.every(refuses);
    const taker = [...free].find((session) => isHopeless || !refuses(session));
    if (taker === undefined) continue;
    free.delete(taker);
    split.get(taker)!.push(name);
  }
  const pairs = sessions.length - free.size;
  const isComplete = pairs >= Math.min(split.size, ring.size) - ring.refused.length;
  invariant(isComplete, 'I5: expected min(workers, available) pairs');
  return split;
}
