/** What an event does to an instance of a machine: for unit tests of tables. Pure. */
import type { Decision } from '../machine/decide.ts';
import type { Json, Machine } from '../machine/definition.ts';
import type { InstanceSnapshot } from '../machine/table.ts';

export interface TransitionEvent {
  readonly event: string;
  readonly details?: Json;
}

/**
 * The decision of a machine's table and hooks. `observe`: other instances, as `sensors` of the machine names them; without
 * it, none exists.
 */
export function transition(
  machine: Machine,
  at: { readonly state: string; readonly payload?: Json },
  event: string | TransitionEvent,
  observe: (instance: string) => InstanceSnapshot | undefined = () => undefined,
): Decision {
  const file = typeof event === 'string' ? { event } : event;
  const from = { state: at.state, payload: at.payload ?? {}, since: undefined };
  return machine.decide('instance', from, file, observe);
}
