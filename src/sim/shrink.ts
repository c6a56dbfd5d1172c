/**
 * The fewest faults that still make a run fail: whole kinds are left out first, then delta debugging
 * (Zeller's ddmin) goes over the rest. Faults are left out by their ids; whoever does the same as before
 * meets the same faults as before.
 */
import type { Injection, Outcome } from './outcome.ts';
import type { Scenario } from './scenario.ts';
import { TICK_FAULTS, simulate, type RunOptions } from './simulation.ts';

export interface Shrunk {
  /** The faults that are needed. */
  readonly only: readonly Injection[];
  readonly outcome: Outcome;
  readonly runs: number;
}

/** Enough for most; more would take minutes. */
const MAX_SHRINK_RUNS = 2000;
const TICKS: Injection = { id: TICK_FAULTS, kind: 'ticks', what: 'ticks misbehave' };

/** `failed`: the outcome to reproduce. `onProgress` is told how many faults are left. */
export async function shrink(
  scenario: Scenario,
  failed: Outcome,
  options: RunOptions,
  onProgress: (left: number) => void = () => undefined,
): Promise<Shrunk> {
  const search = new Search(scenario, failed, options, onProgress);
  for (const kind of new Set(search.only.map((one) => one.kind))) {
    await search.tryWith(search.only.filter((one) => one.kind !== kind));
  }
  for (let parts = 2; search.only.length > 0 && search.mayGoOn;) {
    const size = Math.ceil(search.only.length / parts);
    const isSmaller = await search.leaveOutOne(size);
    if (!isSmaller && size === 1) break;
    parts = isSmaller ? Math.max(2, parts - 1) : Math.min(search.only.length, 2 * parts);
  }
  return { only: search.only, outcome: search.outcome, runs: search.runs };
}

/** The fewest faults so far. */
class Search {
  only: readonly Injection[];
  outcome: Outcome;
  runs = 0;
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #onProgress: (left: number) => void;

  constructor(
    scenario: Scenario,
    failed: Outcome,
    options: RunOptions,
    onProgress: (left: number) => void,
  ) {
    this.only = [...failed.injected, TICKS];
    this.outcome = failed;
    this.#scenario = scenario;
    this.#options = options;
    this.#onProgress = onProgress;
  }

  get mayGoOn(): boolean {
    return this.runs < MAX_SHRINK_RUNS;
  }

  /** Leaves out one part of `size` that is not needed, if there is any. */
  async leaveOutOne(size: number): Promise<boolean> {
    const all = this.only;
    for (let start = 0; start < all.length && this.mayGoOn; start += size) {
      const rest = all.filter((_, index) => index < start || index >= start + size);
      if (await this.tryWith(rest)) return true;
    }
    return false;
  }

  /** Takes over what still fails. */
  async tryWith(candidates: readonly Injection[]): Promise<boolean> {
    this.runs += 1;
    const only = new Set(candidates.map(({ id }) => id));
    const outcome = await simulate(this.#scenario, { ...this.#options, only });
    if (outcome.verdict !== this.outcome.verdict) return false;
    // What was left out may have kept others from happening at all.
    const happened = new Set(outcome.injected.map(({ id }) => id).concat(TICK_FAULTS));
    this.only = candidates.filter(({ id }) => happened.has(id));
    this.outcome = outcome;
    this.#onProgress(this.only.length);
    return true;
  }
}
