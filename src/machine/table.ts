/**
 * The transition table: states are rows, events are columns, and every cell says what the event does there.
 * What depends on more than the state is a choice among cells that are named, so that it can be drawn and proved.
 */
import type { Json } from './definition.ts';

/** The event is accepted and changes nothing. */
export const same: unique symbol = Symbol.for('flockwork.same');
/** The event is an error in that state. */
export const impossible: unique symbol = Symbol.for('flockwork.impossible');

/** Where an instance is, and what it holds: as of the beginning of a cycle, if it is another one. */
export interface InstanceSnapshot {
  readonly state: string;
  readonly payload: Json;
}

/** What an event finds. A choice or a hook looks at nothing else: the same situation has the same result. */
export interface GuardContext<State extends string = string, Event extends string = string> {
  readonly instance: string;
  readonly state: State;
  readonly payload: any; // eslint-disable-line -- the user's own shape
  readonly event: Event;
  readonly details: Json;
  /** What the instance works toward, this event considered. `payload.goal` is what it was before. */
  readonly goal: string | undefined;
  /** Undefined for an instance that is not there. */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
}

export type Verdict<State extends string = string> = State | typeof same | typeof impossible;

/** Made by `choose`. */
export interface Choice<State extends string = string> {
  readonly label: string;
  readonly among: readonly Verdict<State>[];
  readonly decide: (situation: GuardContext) => Verdict<State>;
}

export type Cell<State extends string = string> = Verdict<State> | Choice<State>;

/** Every pair of a state and an event has its cell. */
export type Table<State extends string = string, Event extends string = string> = Readonly<
  Record<State, Readonly<Record<Event, Cell<State>>>>
>;

/** A conditional cell: `label` says on what it depends, `decide` answers one of `among`. */
export function choose<const State extends string>(
  label: string,
  among: readonly Verdict<State>[],
  decide: (situation: GuardContext) => Verdict<NoInfer<State>>,
): Choice<State> {
  return { label, among, decide };
}

/** Everything a cell may come to, in the order in which it names them. */
export function verdictsOf(cell: Cell): readonly Verdict[] {
  return typeof cell === 'object' ? cell.among : [cell];
}

/** For messages: a state by its name, the others by what they are called in a table; never throws. */
export function verdictName(verdict: unknown): string {
  if (verdict === same) return 'same';
  if (verdict === impossible) return 'impossible';
  const isThing =
    (typeof verdict === 'object' && verdict !== null) || typeof verdict === 'function';
  return isThing ? `[${typeof verdict}]` : String(verdict);
}
