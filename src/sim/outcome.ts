/** What happens in a run, as it is recorded, and its result. */
import { InvariantError } from '../machine/invariant.ts';

export type RunVerdict = 'ok' | 'safety' | 'liveness' | 'crash';

export interface RunOutcome {
  readonly seed: string;
  readonly verdict: RunVerdict;
  /** The violated invariant and what happened, or the error. */
  readonly message: string;
  /** Milliseconds of virtual time. */
  readonly time: number;
  readonly events: number;
  readonly operations: number;
  readonly states: number;
  readonly commits: number;
  readonly ticks: number;
  /** Number of injected faults by kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** The injected faults, each with an id for shrinking. */
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
): Pick<RunOutcome, 'verdict' | 'message'> {
  // An assertion of the program has failed. One that is made of another error has that as its cause: a crash.
  if (crash instanceof InvariantError && crash.cause === undefined) {
    return { verdict: 'safety', message: crash.message };
  }
  if (crash !== undefined) {
    const { stack, message } = (crash instanceof InvariantError ? crash.cause : crash) as Error;
    return { verdict: 'crash', message: stack ?? message };
  }
  if (violation === undefined) return { verdict: 'ok', message: '' };
  const { invariant, message } = violation;
  const verdict = invariant === 'liveness' ? 'liveness' : 'safety';
  return { verdict, message: `${invariant}: ${message}` };
}

/** A worker may end with an error of its volume or its name. Any other error is a bug. */
export function isExpectedEnd(error: unknown): boolean {
  if (error instanceof InvariantError) return false;
  return typeof (error as { code?: unknown }).code === 'string';
}

/** A violated invariant. */
export class Violation extends Error {
  override readonly name: string = 'Violation';
  /** `I1` … `I12`, `liveness`, or `check`: the user's own. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.invariant = invariant;
  }
}

export interface RecordOptions {
  /** Ids of the only faults to inject. Undefined: all. */
  readonly only?: ReadonlySet<string>;
  readonly trace?: (line: string) => void;
}

/** The id of all tick faults together. */
export const TICK_FAULTS = 'tick faults';

/** Counts for the outcome, lines for the trace, and the faults for shrinking. */
export class RunRecord {
  /** Number of injected faults by kind. */
  readonly counts: Record<string, number> = {};
  readonly injections: Injection[] = [];
  ticks = 0;
  /** Calls of the engine, or of its files. */
  operations = 0;
  readonly #options: RecordOptions;
  readonly #sinceStart: () => number;

  /** `sinceStart`: milliseconds. */
  constructor(options: RecordOptions, sinceStart: () => number) {
    this.#options = options;
    this.#sinceStart = sinceStart;
  }

  trace(who: string, text: () => string): void {
    const { trace } = this.#options;
    if (trace === undefined) return;
    const seconds = (this.#sinceStart() / 1000).toFixed(4);
    trace(`${seconds.padStart(10)}  ${who.padEnd(6)} ${text()}`);
  }

  count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  injected(injection: Injection): void {
    this.count(injection.kind);
    this.injections.push(injection);
  }

  isAllowed(id: string): boolean {
    return this.#options.only?.has(id) ?? true;
  }
}
