/** Types of the benchmark: systems that do work, rows that measure it, and results. */

export type JobKind = 'noop' | 'chain' | 'sleep' | 'stamp';

/** One piece of work, the same for every system. */
export interface Job {
  readonly kind: JobKind;
  /** `chain`: steps from this one on. */
  readonly left?: number;
  /** `stamp`: which one was dropped. */
  readonly id?: number;
}

/** A step of `sleep` takes so long, ms. */
export const SLEEP: number = 50;
/** Worker processes, of every system that has them. */
export const WORKERS = 2;

/** One system, set up afresh for one measurement. Times are milliseconds since the epoch. */
export interface Rig extends AsyncDisposable {
  /** Starts the workers, `concurrency` jobs at a time each; resolves once they are idle. */
  start(concurrency: number): Promise<void>;
  /** Puts `count` of these in. Nothing of it runs before `release`. */
  put(job: Job, count: number): Promise<void>;
  /** Releases the jobs; resolves with the time. */
  release(): Promise<number>;
  /** Resolves when `steps` are committed, with the time of the last. */
  finished(steps: number): Promise<number>;
  /** When the first job began, once one has. */
  firstBegan(): Promise<number>;
  /** Count of done jobs. */
  countDone(): Promise<number>;
  /** Puts one in; it runs at once. */
  drop(job: Job): Promise<void>;
  /** Of a system that has one, ms. */
  readonly cycle?: number;
  readonly workerPids: readonly number[];
  /** Brokers and databases; none for a system that has only workers. */
  readonly serverPids: readonly number[];
}

/** Where a rig may put its files, and the handlers their stamps. */
export interface Site {
  /** A fresh directory. */
  readonly directory: string;
  /** Handlers of `stamp` append `ID NANOSECONDS` on the monotonic clock. */
  readonly stamps: string;
}

export const ROW_NAMES = [
  'pure',
  'drain',
  'chains',
  'sleep',
  'events',
  'latency',
  'million',
  'bulk',
  'many',
  'start',
  'idle',
  'watchers',
] as const;
export type RowName = (typeof ROW_NAMES)[number];

export interface System {
  readonly name: string;
  readonly title: string;
  /** Settings, for the page. */
  readonly settings: string;
  readonly rows: readonly RowName[];
  /** Fraction of the states and chains for a slow system; rates are per state. Default 1. */
  readonly part?: number;
  /** Installs what it needs, once; resolves with its version, or why it cannot be measured here. */
  prepare(): Promise<{ readonly version: string } | { readonly missing: string }>;
  open(site: Site): Promise<Rig>;
}

export interface Amounts {
  readonly states: number;
  readonly chains: number;
  readonly sleeps: number;
  readonly events: number;
  readonly drops: number;
  /** States of the rows `million` and `bulk`. */
  readonly million: number;
  readonly many: number;
  readonly starts: number;
  readonly done: number;
  readonly watchers: number;
  /** Seconds that the rows `idle` and `watchers` watch, and that `million` adds states. */
  readonly seconds: number;
}

/** Metric → value, of one round; `foreign`: cores that something else kept busy meanwhile (see `foreign.ts`). */
export type Measured = Readonly<Record<string, number>> & { readonly foreign: number };

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
}

export interface Row {
  readonly name: RowName;
  /** With the amounts in it. */
  title(amounts: Amounts): string;
  /** Of the first one, less is better. */
  readonly metrics: readonly Metric[];
  /** What bounds the figures: a sentence, for the page. */
  readonly bound: string;
  /** Metrics that are drawn. */
  readonly charts: readonly string[];
  /** Notes for the page. */
  readonly notes: readonly string[];
  /** Maximum of rounds. */
  readonly maxRounds?: number;
  measure(context: Measuring): Promise<Measured>;
}

export interface Measuring {
  readonly system: System;
  readonly amounts: Amounts;
  /** A fresh one each time. */
  readonly site: () => Site;
}
