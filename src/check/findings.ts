/** The result of a check, as plain data. */
import type { Json } from '../machine/definition.ts';

/** Kinds of findings; each is a rule of its own. */
export type FindingKind =
  | 'broken-invariant'
  | 'impossible'
  | 'internal'
  | 'no-instance'
  | 'no-sensor'
  | 'unreachable'
  | 'reached'
  | 'livelock';

/** An input from outside, a timer of the instance, or an event that an instance has emitted. */
export type StepCause = 'input' | 'timer' | 'event';

/** What one instance does in a step of a trace. */
export interface TracedStep {
  readonly instance: string;
  readonly cause: StepCause;
  readonly event: string;
  readonly details: Json;
  readonly outcome: string;
  /** Why the event was refused; undefined if it was not. */
  readonly reason: string | undefined;
  readonly from: string;
  readonly to: string;
  readonly goal: string | undefined;
  readonly emits: readonly { readonly to: string; readonly event: string }[];
}

export interface Trace {
  /** Each element has the step of one instance, or those of several that read the same snapshot. */
  readonly steps: readonly (readonly TracedStep[])[];
  /** False if it takes an event more often than the event was sent (see `isSaturated`). */
  readonly isExact: boolean;
  /** The world at its end: instance → state. */
  readonly end: Readonly<Record<string, string>>;
}

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  /** A shortest one; undefined for `unreachable`. */
  readonly trace: Trace | undefined;
}

/** The limit that kept the check from being a proof. */
export type Bound = 'max-states' | 'queue';

export interface CheckResult {
  readonly composition: string;
  readonly findings: readonly Finding[];
  readonly bound: Bound | undefined;
  /** Number of worlds, up to permutation of symmetric instances. */
  readonly states: number;
  readonly transitions: number;
  /** Those of `transitions` in which several instances decide on the same snapshot. */
  readonly together: number;
  /** Steps to the world that is furthest from the start. */
  readonly depth: number;
  /** More equal events waited in a row than are counted: the surplus stands for any number of them. */
  readonly isSaturated: boolean;
  /** Memory of the worlds and transitions. */
  readonly bytes: number;
}

export interface Progress {
  readonly stage: 'exploring' | 'goals';
  readonly states: number;
  /** 0 in the stage `goals`. */
  readonly transitions: number;
  /** Worlds not yet expanded; in the stage `goals`, worlds from which no way to the goal is known yet. */
  readonly left: number;
}
