/**
 * The fewest faults that still make a run fail: whole kinds are left out first, then delta debugging
 * (Zeller's ddmin) goes over the rest. Faults are left out by their ids; whoever does the same as before
 * meets the same faults as before.
 */
import type { Injection, Outcome } from './outcome.ts';
import type { Scenario } from './scenario.ts';
import { MISCHIEF, simulate, type RunOptions } from './simulation.ts';

export interface Shrunk {
  /** The faults that are needed. */
  readonly only: readonly Injection[];
  readonly outcome: Outcome;
  readonly runs: number;
}

/** Enough for most; more would take minutes. */
const MOST_RUNS = 2000;
const TICKS: Injection = { id: MISCHIEF, kind: 'ticks', what: 'ticks misbehave' };

/** `failed`: the outcome to reproduce. `onProgress` is told how many faults are left. */
export async function shrink(
  scenario: Scenario,
  failed: Outcome,
  options: RunOptions,
  onProgress: (left: number) => void = () => undefined,
): Promise<Shrunk> {
  let runs = 0;
  let best = { only: [...failed.injected, TICKS] as readonly Injection[], outcome: failed };
  /** Takes over what still fails. */
  const tryWith = async (candidates: readonly Injection[]): Promise<boolean> => {
    runs += 1;
    const only = new Set(candidates.map(({ id }) => id));
    const outcome = await simulate(scenario, { ...options, only });
    if (outcome.verdict !== failed.verdict) return false;
    // What was left out may have kept others from happening at all.
    const happened = new Set(outcome.injected.map(({ id }) => id).concat(MISCHIEF));
    best = { only: candidates.filter(({ id }) => happened.has(id)), outcome };
    onProgress(best.only.length);
    return true;
  };
  for (const kind of new Set(best.only.map((one) => one.kind))) {
    await tryWith(best.only.filter((one) => one.kind !== kind));
  }
  for (let parts = 2; best.only.length > 0 && runs < MOST_RUNS;) {
    const { only } = best;
    const size = Math.ceil(only.length / parts);
    let isSmaller = false;
    for (let start = 0; start < only.length && !isSmaller && runs < MOST_RUNS; start += size) {
      isSmaller = await tryWith(only.filter((_, index) => index < start || index >= start + size));
    }
    if (isSmaller) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(only.length, 2 * parts);
  }
  return { ...best, runs };
}
