/**
 * Snapshots of XState machines: how an instance's payload stores one, and what an event makes of it, with the timers that this
 * sets, by XState's pure functions.
 */
import {
  createActor,
  initialTransition,
  transition,
  type StateValue,
  type AnyEventObject,
  type AnyMachineSnapshot,
} from 'xstate';
import type { Json } from '../machine/definition.ts';
import { isObject } from '../machine/json-text.ts';
import { jsonProblem } from '../machine/json-problem.ts';
import type { EventDraft } from '../machine/event.ts';
import { durationProblem } from '../machine/duration.ts';
import type { Definition } from './definition.ts';

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

export interface Reaction {
  readonly stored: StoredSnapshot;
  readonly emit: readonly EventDraft[];
}

/** Throws errors of the machine's code, and for unsupported features. */
export function begin(definition: Definition, instance: string, input: Json): Reaction {
  const [snapshot, actions] = initialTransition(definition.machine, input);
  return settle(definition, instance, { timers: [], set: 0 }, snapshot, actions, undefined);
}

/** Copies `stored`, so that the machine's code cannot change it. */
export function restore({ machine }: Definition, stored: StoredSnapshot): AnyMachineSnapshot {
  const snapshot = structuredClone(stored.snapshot) as never;
  return createActor(machine, { snapshot }).getSnapshot() as AnyMachineSnapshot;
}

/** `settled`: id of the promise whose result the event is. Throws like `begin`. */
export function react(
  definition: Definition,
  instance: string,
  stored: StoredSnapshot,
  event: AnyEventObject,
  settled?: string,
): Reaction {
  const before = restore(definition, stored);
  const [after, actions] = transition(definition.machine, before, event);
  // A promise runs once per entry of its state: an unchanged child is the one that has settled.
  const over =
    settled !== undefined && after.children[settled] === before.children[settled]
      ? settled
      : undefined;
  return settle(definition, instance, stored, after, actions, over);
}

interface Action {
  readonly type: string;
  readonly info: { readonly self: unknown };
  readonly params?: unknown;
}

interface Sending {
  readonly to?: unknown;
  readonly event: AnyEventObject;
  readonly delay?: number;
  readonly id?: string;
}

function settle(
  definition: Definition,
  instance: string,
  before: Pick<StoredSnapshot, 'timers' | 'set'>,
  snapshot: AnyMachineSnapshot,
  actions: readonly Action[],
  over: string | undefined,
): Reaction {
  if (snapshot.status === 'error') throw snapshot.error;
  const emit: EventDraft[] = [];
  let { timers, set } = before;
  const start = ({ event, delay = 0, id }: Sending): void => {
    const problem = durationProblem(delay, 0);
    if (problem !== undefined) throw new Error(`the delay of ${event.type}: ${problem}`);
    const { type, ...details } = event;
    set += 1;
    const since = `timer ${set}`;
    timers = [...timers, { since, ...(id !== undefined && { id }) }];
    const wait = Math.round(delay);
    const hasDetails = Object.keys(details).length > 0;
    emit.push({
      to: instance,
      event: type,
      ...(hasDetails && { details }),
      since,
      ...(wait > 0 && { delay: wait }),
    });
  };
  for (const { type, params, info } of actions) {
    const sending = params as Sending;
    if (type === 'xstate.cancel') {
      const { sendId } = params as { readonly sendId: string };
      timers = timers.filter(({ id }) => id !== sendId);
    } else if (type === 'xstate.sendTo') {
      if (sending.to !== info.self) {
        throw new Error(`cannot send ${sending.event.type} to another actor, only to itself`);
      }
      start(sending);
    } else if (type === 'xstate.raise') {
      if (sending.delay !== undefined) start(sending);
    } else if (type !== 'xstate.spawnChild' && type !== 'xstate.stopChild') {
      throw new Error(`action ${type} has side effects, which only an invoked promise may have`);
    }
  }
  const isRunning = (since: string | undefined): boolean =>
    timers.some((timer: RunningTimer) => timer.since === since);
  return {
    stored: { xstate: definition.hash, snapshot: persist(definition, snapshot, over), timers, set },
    emit: emit.filter(({ since }) => isRunning(since)),
  };
}

function persist(
  { machine, promises }: Definition,
  snapshot: AnyMachineSnapshot,
  over: string | undefined,
): PersistedSnapshot {
  const persisted = machine.getPersistedSnapshot(snapshot) as unknown as PersistedSnapshot;
  const children = Object.fromEntries(
    Object.entries(persisted.children).filter(
      ([id]) => id !== over && snapshot.status === 'active',
    ),
  );
  const all = Object.entries(children);
  const spawned = all.find(([, { src }]) => !promises.has(src));
  if (spawned !== undefined) throw new Error(`actor ${spawned[0]} is spawned, not invoked`);
  if (all.length > 1) {
    const ids = all.map(([id]) => id).join(', ');
    throw new Error(`the promises ${ids} would run at once; one runs at a time`);
  }
  const whole = { ...persisted, children };
  const problem = jsonProblem(whole, 'the snapshot', undefined, (part) => part instanceof Error);
  if (problem !== undefined) throw new Error(problem);
  return JSON.parse(JSON.stringify(whole, errorAsJson)) as PersistedSnapshot;
}

/** Keeps name and message of an error, which JSON would drop. */
function errorAsJson(_key: string, value: unknown): unknown {
  return value instanceof Error ? { name: value.name, message: value.message } : value;
}
