/**
 * The fewest faults that still make a run fail: delta debugging (Zeller's ddmin). Faults are left out by
 * their ids; whoever does the same as before meets the same faults as before.
 */
import type { Scenario } from './scenario.ts';
import { MISCHIEF, simulate, type Outcome, type RunOptions } from './simulation.ts';

export interface Shrunk {
  /** Ids of the faults that are needed. */
  readonly only: readonly string[];
  readonly outcome: Outcome;
  readonly runs: number;
}

/** `failed`: the outcome to reproduce. `onProgress` is told how many faults are left. */
export async function shrink(
  scenario: Scenario,
  failed: Outcome,
  options: RunOptions,
  onProgress: (left: number) => void = () => undefined,
): Promise<Shrunk> {
  let runs = 0;
  const attempt = async (ids: readonly string[]): Promise<Outcome | undefined> => {
    runs += 1;
    const outcome = await simulate(scenario, { ...options, only: new Set(ids) });
    return outcome.verdict === failed.verdict ? outcome : undefined;
  };
  let only = [...new Set([...failed.injected, MISCHIEF])];
  let best = (await attempt(only)) ?? failed;
  const none = await attempt([]);
  if (none !== undefined) return { only: [], outcome: none, runs };
  for (let parts = 2; only.length > 1;) {
    const size = Math.ceil(only.length / parts);
    let smaller: string[] | undefined;
    for (let start = 0; start < only.length && smaller === undefined; start += size) {
      const rest = only.filter((_, index) => index < start || index >= start + size);
      const outcome = await attempt(rest);
      if (outcome === undefined) continue;
      // What was left out may have kept others from happening at all.
      smaller = rest.filter((id) => outcome.injected.includes(id) || id === MISCHIEF);
      best = outcome;
    }
    if (smaller !== undefined) {
      only = smaller;
      parts = Math.max(2, parts - 1);
      onProgress(only.length);
    } else if (size === 1) break;
    else parts = Math.min(only.length, 2 * parts);
  }
  return { only, outcome: best, runs };
}
