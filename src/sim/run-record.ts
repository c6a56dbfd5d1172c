/** What happens in a run, for its outcome, its trace and for shrinking. */
import type { Injection } from './outcome.ts';

export interface RecordOptions {
  /** Ids of the only faults to inject. Undefined: all. */
  readonly only?: ReadonlySet<string>;
  readonly trace?: (line: string) => void;
}

/** The id of all tick faults together. */
export const TICK_FAULTS = 'tick faults';

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
