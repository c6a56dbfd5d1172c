/**
 * The transition table: states are rows, events are columns, and each cell says what the event does in the state.
 * A cell that depends on more than the state is a choice among named cells, so that it can be drawn and model-checked.
 */
import type { Json } from './definition.ts';

/** The event is accepted and changes nothing. */
export const same: unique symbol = Symbol.for('flockwork.same');
/** The event is an error in that state. */
export const impossible: unique symbol = Symbol.for('flockwork.impossible');

/** State and payload of an instance; of another instance, as of the beginning of the cycle. */
export interface InstanceSnapshot {
  readonly state: string;
  readonly payload: Json;
}

/** The argument of a choice or a hook, which must be a pure function of it. */
export interface GuardContext<State extends string = string, Event extends string = string> {
  readonly instance: string;
  readonly state: State;
  readonly payload: any; // eslint-disable-line -- the user's own shape
  readonly event: Event;
  readonly details: Json;
  /** What the instance works toward, after this event. `payload.goal` is the value before it. */
  readonly goal: string | undefined;
  /** Undefined for an instance that does not exist. */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
}

export type Verdict<State extends string = string> = State | typeof same | typeof impossible;

/** Created by `choose`. */
export interface Choice<State extends string = string> {
  readonly label: string;
  readonly among: readonly Verdict<State>[];
  readonly decide: (situation: GuardContext) => Verdict<State>;
}

export type Cell<State extends string = string> = Verdict<State> | Choice<State>;

/** Has a cell for each pair of a state and an event. */
export type Table<State extends string = string, Event extends string = string> = Readonly<
  Record<State, Readonly<Record<Event, Cell<State>>>>
>;

/** A conditional cell: `label` describes the condition, `decide` returns one of `among`. */
export function choose<const State extends string>(
  label: string,
  among: readonly Verdict<State>[],
  decide: (situation: GuardContext) => Verdict<NoInfer<State>>,
): Choice<State> {
  return { label, among, decide };
}

/** The possible results of a cell, in the user's order. */
export function verdictsOf(cell: Cell): readonly Verdict[] {
  return typeof cell === 'object' ? cell.among : [cell];
}

/** For messages: the state, `same` or `impossible`. Never throws, whatever a user's function returned. */
export function verdictName(verdict: unknown): string {
  if (verdict === same) return 'same';
  if (verdict === impossible) return 'impossible';
  const isThing =
    (typeof verdict === 'object' && verdict !== null) || typeof verdict === 'function';
  return isThing ? `[${typeof verdict}]` : String(verdict);
}
