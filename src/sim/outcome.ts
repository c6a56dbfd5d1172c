/** What became of a run. */
import type { Violation } from './violation.ts';

export type Verdict = 'ok' | 'safety' | 'liveness' | 'crash';

export interface Outcome {
  readonly seed: string;
  readonly verdict: Verdict;
  /** The invariant that does not hold, and what happened; or the error. */
  readonly message: string;
  /** Milliseconds of virtual time. */
  readonly time: number;
  readonly events: number;
  readonly operations: number;
  readonly states: number;
  readonly commits: number;
  readonly ticks: number;
  /** How many of each kind were put in. */
  readonly faults: Readonly<Record<string, number>>;
  /** What was put in, each with an id for shrinking. */
  readonly injected: readonly Injection[];
}

export interface Injection {
  readonly id: string;
  readonly kind: string;
  /** For people. */
  readonly what: string;
}

export function judgeRun(
  crash: unknown,
  violation: Violation | undefined,
): Pick<Outcome, 'verdict' | 'message'> {
  if (crash !== undefined) {
    const { stack, message } = crash as Error;
    return { verdict: 'crash', message: stack ?? message };
  }
  if (violation === undefined) return { verdict: 'ok', message: '' };
  const { invariant, message } = violation;
  const verdict = invariant === 'liveness' ? 'liveness' : 'safety';
  return { verdict, message: `${invariant}: ${message}` };
}

/** A worker may end because of its volume, or its name. Anything else is a mistake of ours. */
export function isExpectedEnd(error: unknown): boolean {
  return typeof (error as { code?: unknown }).code === 'string';
}
