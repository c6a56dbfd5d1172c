/** Runs by their seeds: one on any engine that can be simulated, or many with their totals and those that fail. */
import { setImmediate as turn } from 'node:timers/promises';
import type { RunOutcome, RecordOptions } from './outcome.ts';
import { drawEngineScenario } from './engine-scenario.ts';
import { simulateEngine } from './engine-simulation.ts';
import { MEMORY } from './engine-under-test.ts';
import type { OwnWork } from './own-work.ts';
import { drawScenario, type Wishes } from './scenario.ts';
import { simulate } from './simulation.ts';

export type SimulatedEngine = 'volume' | 'memory';

/** What a seed is run with: the same seed, with the same work, gives the same run. */
export interface SeedWork {
  readonly engine: SimulatedEngine;
  readonly wishes: Wishes;
  /** Replaces the simulator's own machines and instances. */
  readonly own?: OwnWork;
}

export function runSeed(
  seed: string,
  { engine, wishes, own }: SeedWork,
  record: RecordOptions = {},
): Promise<RunOutcome> {
  const options = { ...record, ...(own && { own }) };
  if (engine === 'volume') return simulate(drawScenario(seed, wishes), options);
  return simulateEngine(drawEngineScenario(seed, wishes, MEMORY.callFaults), MEMORY, options);
}

/** Sums over runs. Times are milliseconds of virtual time. */
export interface Totals {
  runs: number;
  time: number;
  events: number;
  operations: number;
  commits: number;
  ticks: number;
  /** By kind. */
  faults: Record<string, number>;
}

export function noTotals(): Totals {
  return { runs: 0, time: 0, events: 0, operations: 0, commits: 0, ticks: 0, faults: {} };
}

export function addOutcome(totals: Totals, outcome: RunOutcome): void {
  totals.runs += 1;
  for (const key of ['time', 'events', 'operations', 'commits', 'ticks'] as const) {
    totals[key] += outcome[key];
  }
  addCounts(totals.faults, outcome.faults);
}

export function addTotals(totals: Totals, more: Totals): void {
  for (const key of ['runs', 'time', 'events', 'operations', 'commits', 'ticks'] as const) {
    totals[key] += more[key];
  }
  addCounts(totals.faults, more.faults);
}

function addCounts(counts: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [kind, count] of Object.entries(more)) counts[kind] = (counts[kind] ?? 0) + count;
}

export interface Campaign {
  /** Takes the next seed; undefined when there is none, or when the campaign is to end. */
  readonly next: () => string | undefined;
  readonly run: (seed: string) => Promise<RunOutcome>;
  /** Called after every few runs, and after the last. */
  readonly report: (totals: Totals) => void;
  readonly onFailure: (outcome: RunOutcome) => void;
}

const RUNS_PER_REPORT = 20;

/** Runs one thread's share of the seeds. */
export async function runSeeds(campaign: Campaign): Promise<void> {
  let totals = noTotals();
  const report = (): void => {
    campaign.report(totals);
    totals = noTotals();
  };
  for (let seed = campaign.next(); seed !== undefined; seed = campaign.next()) {
    const outcome = await campaign.run(seed);
    addOutcome(totals, outcome);
    if (outcome.verdict !== 'ok') campaign.onFailure(outcome);
    if (totals.runs === RUNS_PER_REPORT) report();
    // A run is one turn of the event loop, and weakly held objects are freed only between turns.
    await turn();
  }
  report();
}
