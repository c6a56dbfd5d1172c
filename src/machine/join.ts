/** The branches that an instance waits for, as its state file records them. */
import type { Json } from './definition.ts';
import type { Joins } from './state-file.ts';

/** True while a branch has not ended; no tick runs until then. */
export function isOpen(join: Joins | undefined): boolean {
  return Object.values(join ?? {}).some(({ ended }) => ended === undefined);
}

/** Number of branches that have ended. */
export function countEnded(join: Joins): number {
  let count = 0;
  for (const branch in join) if (join[branch]!.ended !== undefined) count += 1;
  return count;
}

/** By branch; null for a branch without an output. */
export function outputsOf(join: Joins | undefined): Record<string, Json> {
  const outputs = Object.entries(join ?? {}).map(([name, { output = null }]) => [name, output]);
  return Object.fromEntries(outputs) as Record<string, Json>;
}
