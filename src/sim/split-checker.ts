/** Checks I5: workers with the same snapshot compute the same split, in whatever order they listed it. */
import { assign, assignZip, type Split } from '../volume/phases/assignment.ts';
import type { Snapshot } from '../volume/operations.ts';

const CYCLES_KEPT = 4;

export class SplitChecker {
  readonly #byCycle = new Map<number, Map<string, { split: string; worker: string }>>();

  /** How this split differs from another worker's of the same snapshot and cycle; undefined if it does not. */
  compare(
    worker: string,
    how: 'slices' | 'zip',
    { roster, tasks }: Snapshot,
    cycle: number,
  ): string | undefined {
    const sameCycle =
      this.#byCycle.get(cycle) ?? new Map<string, { split: string; worker: string }>();
    this.#byCycle.set(cycle, sameCycle);
    if (this.#byCycle.size > CYCLES_KEPT) this.#byCycle.delete(Math.min(...this.#byCycle.keys()));
    const key = JSON.stringify([
      roster.map((entry) => JSON.stringify(entry)).toSorted(),
      tasks.names.map((name) => [name, ...tasks.refusedBy(name).toSorted()].join(' ')).toSorted(),
    ]);
    const split = describe((how === 'zip' ? assignZip : assign)(roster, tasks, cycle));
    const other = sameCycle.get(key);
    sameCycle.set(key, { split, worker });
    if (other === undefined || other.split === split) return undefined;
    return `expected split ${other.split} as ${other.worker} in cycle ${cycle}, got ${split} by ${worker}`;
  }
}

function describe(split: Split): string {
  return JSON.stringify([...split].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
