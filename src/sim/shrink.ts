/**
 * Searches for the fewest faults that still make a run fail: leaves out whole kinds first, then applies delta
 * debugging (Zeller's ddmin). Faults are left out by id; a process that does the same as before meets the same faults.
 */
import { TICK_FAULTS, type Injection, type RunOutcome, type RecordOptions } from './outcome.ts';

export interface Shrunk {
  /** The remaining faults. */
  readonly only: readonly Injection[];
  readonly outcome: RunOutcome;
  readonly runs: number;
}

/** Enough for most failures; more would take minutes. */
const MAX_SHRINK_RUNS = 2000;
const TICKS: Injection = { id: TICK_FAULTS, kind: 'ticks', what: 'ticks misbehave' };

type Run = (options: Required<Pick<RecordOptions, 'only'>>) => Promise<RunOutcome>;

/**
 * `run`: the same run each time, but for the faults left out. `failed`: the outcome to reproduce. `onProgress` receives the
 * number of remaining faults.
 */
export async function shrink(
  run: Run,
  failed: RunOutcome,
  onProgress: (left: number) => void = () => undefined,
): Promise<Shrunk> {
  const search = new Search(run, failed, onProgress);
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

/** The smallest failing set of faults so far. */
class Search {
  only: readonly Injection[];
  outcome: RunOutcome;
  runs = 0;
  readonly #run: Run;
  readonly #onProgress: (left: number) => void;

  constructor(run: Run, failed: RunOutcome, onProgress: (left: number) => void) {
    this.only = [...failed.injected, TICKS];
    this.outcome = failed;
    this.#run = run;
    this.#onProgress = onProgress;
  }

  get mayGoOn(): boolean {
    return this.runs < MAX_SHRINK_RUNS;
  }

  /** Leaves out one part of `size`, if the run still fails without it. */
  async leaveOutOne(size: number): Promise<boolean> {
    const all = this.only;
    for (let start = 0; start < all.length && this.mayGoOn; start += size) {
      const rest = all.filter((_, index) => index < start || index >= start + size);
      if (await this.tryWith(rest)) return true;
    }
    return false;
  }

  /** Keeps `candidates` if the run still fails with them alone. */
  async tryWith(candidates: readonly Injection[]): Promise<boolean> {
    this.runs += 1;
    const only = new Set(candidates.map(({ id }) => id));
    const outcome = await this.#run({ only });
    if (outcome.verdict !== this.outcome.verdict) return false;
    // Without the faults left out, others may not have happened at all.
    const happened = new Set(outcome.injected.map(({ id }) => id).concat(TICK_FAULTS));
    this.only = candidates.filter(({ id }) => happened.has(id));
    this.outcome = outcome;
    this.#onProgress(this.only.length);
    return true;
  }
}
