/** The payload of an instance of an XState machine, and the names of its states. */
import type { StateValue } from 'xstate';
import type { Json } from '../machine/definition.ts';
import { isObject } from '../machine/json-text.ts';

/** A running timer. */
export interface RunningTimer {
  /** Identifies the timer in the field `since` of its event. */
  readonly since: string;
  /** By which `cancel`, or leaving the state, stops it. */
  readonly id?: string;
}

/** A snapshot as XState persists it. */
export interface PersistedSnapshot {
  readonly status: string;
  readonly value: StateValue;
  readonly output?: Json;
  /** Promises that must run. */
  readonly children: { readonly [id: string]: { src: string; snapshot: { input?: unknown } } };
}

export interface StoredSnapshot {
  /** Hash of the snapshot's definition. */
  readonly xstate: string;
  readonly snapshot: PersistedSnapshot;
  readonly timers: readonly RunningTimer[];
  /** Number of timers that were ever set: the source of unique names. */
  readonly set: number;
}

/** Undefined if the payload has no snapshot: before its first tick an instance has its input there. */
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

/** `red.walk`; for parallel states the sorted list of all of them: `door.open & light.on`. */
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
