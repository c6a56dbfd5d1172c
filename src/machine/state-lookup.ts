/** `Machine.lookup` of machines whose states are a list, which XState machines are not. */
import type { Machine, StateLookup } from './definition.ts';
import { fullName } from './registry.ts';

type Listed = Pick<Machine, 'name' | 'version' | 'initial' | 'activities' | 'kinds' | 'rules'>;

/** The machine's own name stands for its initial state. */
export function lookupState(machine: Listed, named: string): StateLookup {
  const { name, initial, kinds, activities } = machine;
  const state = !kinds.has(named) && named === name ? initial : named;
  const activity = activities.get(state);
  if (activity !== undefined) return { kind: 'runnable', state, activity };
  const kind = kinds.get(state);
  if (kind === 'waiting' || kind === 'terminal') return { kind, state };
  return { kind: 'not-found', code: 'unknown-state', reason: `machine ${whyNot(machine, state)}` };
}

function whyNot(machine: Listed, state: string): string {
  const { activities, kinds, rules } = machine;
  const name = fullName(machine);
  if (rules !== undefined && !kinds.has(state)) {
    return `${name} has no state "${state}"; there are ${[...kinds.keys()].join(', ')}`;
  }
  return `${name} has no activity in state "${state}"; there are ${[...activities.keys()].join(', ')}`;
}
