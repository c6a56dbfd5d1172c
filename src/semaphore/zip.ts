/** `--assign zip`: the original's pairing, for fleets that mix with it. */
import type { RosterEntry, Split, Task } from './assignment.ts';
import { compareCodePoints } from './order.ts';

/** Sorted workers with sorted states, one each, first with first. The cycle plays no part. */
export function assignZip(roster: readonly RosterEntry[], tasks: readonly Task[]): Split {
  const workers = [...roster].sort((a, b) => compareCodePoints(a.name, b.name));
  const names = tasks.map((task) => task.name).sort(compareCodePoints);
  return new Map(workers.map((worker, index) => [worker.session, names.slice(index, index + 1)]));
}
