/** What an instance of an XState machine keeps as its payload, and how the states of one are called. */
import type { StateValue } from 'xstate';
import type { Json } from '../machine/definition.ts';
import { isObject } from '../machine/json-text.ts';

/** A timer that runs: its event says which one it is. */
export interface RunningTimer {
  /** What its event says in `since`. */
  readonly since: string;
  /** By which `cancel` and leaving the state end it. */
  readonly id?: string;
}

/** As XState persists it. */
export interface PersistedSnapshot {
  readonly status: string;
  readonly value: StateValue;
  readonly output?: Json;
  /** Promises that are to run. */
  readonly children: { readonly [id: string]: { src: string; snapshot: { input?: unknown } } };
}

export interface StoredSnapshot {
  /** The hash of the definition that the snapshot is of. */
  readonly xstate: string;
  readonly snapshot: PersistedSnapshot;
  readonly timers: readonly RunningTimer[];
  /** How many timers it has ever set: none is called like another. */
  readonly set: number;
}

/** Undefined for what is none: an instance that has not begun has its input there. */
export function storedSnapshotIn(payload: Json): StoredSnapshot | undefined {
  const { xstate, snapshot, timers, set } = isObject(payload) ? payload : {};
  const isStored =
    typeof xstate === 'string' &&
    isObject(snapshot) &&
    isObject(snapshot['children']) &&
    (typeof snapshot['value'] === 'string' || isObject(snapshot['value'])) &&
    Array.isArray(timers) &&
    timers.every((timer) => isObject(timer) && typeof timer['since'] === 'string') &&
    typeof set === 'number';
  return isStored ? (payload as unknown as StoredSnapshot) : undefined;
}

/** `red.walk`; of parallel states, all that it is in: `door.open & light.on`. In the order of their names. */
export function stateText(value: StateValue): string {
  return leaves(value).sort().join(' & ');
}

function leaves(value: StateValue): string[] {
  if (typeof value === 'string') return [value];
  return Object.entries(value).flatMap(([key, inner]) => {
    const below = inner === undefined ? [] : leaves(inner);
    return below.length === 0 ? [key] : below.map((leaf) => `${key}.${leaf}`);
  });
}
