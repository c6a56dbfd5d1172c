/** What a state file says of the branches that its instance waits for. */
import type { Json } from './definition.ts';
import type { Joins } from './state-file.ts';

/** Has one of them not ended yet? Then nothing runs there. */
export function isOpen(join: Joins | undefined): boolean {
  return Object.values(join ?? {}).some(({ ended }) => ended === undefined);
}

/** By branch; null of one that has none. */
export function outputsOf(join: Joins | undefined): Record<string, Json> {
  const outputs = Object.entries(join ?? {}).map(([name, { output = null }]) => [name, output]);
  return Object.fromEntries(outputs) as Record<string, Json>;
}
