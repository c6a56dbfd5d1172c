/** What a check comes to: data, for whoever prints it. */
import type { Json } from '../machine/definition.ts';

/** What is wrong: each kind is a rule of its own. */
export type FindingKind =
  | 'broken-invariant'
  | 'impossible'
  | 'internal'
  | 'no-instance'
  | 'no-sensor'
  | 'unreachable'
  | 'reached'
  | 'livelock';

/** From outside, by a timer of its own, or waiting since an instance sent it. */
export type StepCause = 'input' | 'timer' | 'event';

/** What one instance does in a step. */
export interface TracedStep {
  readonly instance: string;
  readonly cause: StepCause;
  readonly event: string;
  readonly details: Json;
  readonly outcome: string;
  /** Why it was refused. */
  readonly reason: string | undefined;
  readonly from: string;
  readonly to: string;
  readonly goal: string | undefined;
  readonly emits: readonly { readonly to: string; readonly event: string }[];
}

export interface Trace {
  /** In each, one instance's step, or those of several that look at the same frozen world. */
  readonly steps: readonly (readonly TracedStep[])[];
  /** Whether it can be gone step by step: not if it takes an event more often than that was sent (see `isSaturated`). */
  readonly isExact: boolean;
  /** Where it ends: instance → state. */
  readonly end: Readonly<Record<string, string>>;
}

export interface Finding {
  readonly kind: FindingKind;
  readonly message: string;
  /** The shortest there is; none for what never happens. */
  readonly trace: Trace | undefined;
}

/** What kept the check from being a proof. */
export type Bound = 'max-states' | 'queue';

export interface CheckResult {
  readonly composition: string;
  readonly findings: readonly Finding[];
  readonly bound: Bound | undefined;
  /** Worlds, up to exchanges of names. */
  readonly states: number;
  readonly transitions: number;
  /** Those of `transitions` in which several instances decide at once. */
  readonly together: number;
  /** Steps to the world that is furthest from the beginning. */
  readonly depth: number;
  /** More equal events waited in a row than are told apart: what is beyond stands for any number. */
  readonly isSaturated: boolean;
  /** Bytes that the worlds and what leads where take. */
  readonly bytes: number;
}

export interface Progress {
  readonly stage: 'exploring' | 'goals';
  readonly states: number;
  /** While exploring. */
  readonly transitions: number;
  /** Found and not looked at; of goals, not known to be able to come there. */
  readonly left: number;
}
