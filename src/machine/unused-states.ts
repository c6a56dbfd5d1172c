/** Finds states of a table that no instance can be in. */
import type { Machine } from './definition.ts';
import { impossible, verdictsOf } from './table.ts';

/**
 * States that are neither in a transition, nor a command's `next`, nor the initial one, unless nothing can happen in that. In
 * the order of the table.
 */
export function unusedStates({ initial, kinds, rules, activities }: Machine): string[] {
  if (rules === undefined) return [];
  const used = new Set(activities.has(initial) ? [initial] : []);
  for (const [state, row] of Object.entries(rules.table)) {
    for (const verdict of Object.values(row).flatMap(verdictsOf)) {
      if (verdict === impossible) continue;
      used.add(state);
      if (typeof verdict === 'string') used.add(verdict);
    }
  }
  for (const activity of activities.values()) {
    if (activity.kind === 'command' && activity.next !== undefined) used.add(activity.next);
  }
  return [...kinds.keys()].filter((state) => !used.has(state));
}
