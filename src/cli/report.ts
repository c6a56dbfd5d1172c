/** What `status` says, as data: a function of what was read, and of the time. */
import type { FailureRecord } from '../machine/record.ts';
import { momentAt, type Moment, type PhaseLengths } from '../semaphore/cycle.ts';
import { compareCodePoints } from '../semaphore/order.ts';
import type { Overview } from '../volume/overview.ts';

export interface MachineCounts {
  available: number;
  inProgress: number;
  done: number;
  failed: number;
}

export interface WorkerLine {
  readonly worker: string;
  /** Registered as available, at work, or both; `gone`: only its journal is left. */
  readonly state: 'available' | 'busy' | 'gone';
  readonly done: number;
  readonly failed: number;
  /** The two before are of the ends of its journals only: there were more. */
  readonly isCut: boolean;
  readonly holding: readonly string[];
}

export interface HeldLine {
  readonly state: string;
  readonly worker: string;
  readonly stage: string;
  readonly attempt: number | undefined;
  /** Milliseconds; undefined for a foreign flag. */
  readonly held: number | undefined;
}

export interface StatusReport {
  readonly paused: boolean;
  readonly counts: {
    readonly available: number;
    readonly delayed: number;
    readonly inProgress: number;
    /** For events. */
    readonly waiting: number;
    /** On their way. */
    readonly events: number;
    /** In `done/`. */
    readonly done: number;
    readonly failed: number;
    /** In `archive/`. */
    readonly archived: number;
  };
  /** `counts.archived` is an estimate, from some of the shards. */
  readonly isArchiveSampled: boolean;
  readonly phase:
    | {
        readonly name: Moment['phase'];
        readonly after: string;
        readonly left: number;
        readonly cycle: number;
      }
    | undefined;
  /** Steps a second over the last minute of work. */
  readonly rate: number;
  /** Milliseconds, for what is known now: chains may still grow. */
  readonly eta: number | undefined;
  /** Of so many available ones as were looked at. */
  readonly oldest: { readonly state: string; readonly waiting: number } | undefined;
  readonly machines: Readonly<Record<string, MachineCounts>>;
  /** `machines` are estimates, from some state files and the ends of the journals. */
  readonly areMachinesSampled: boolean;
  readonly workers: readonly WorkerLine[];
  readonly held: readonly HeldLine[];
  /** The first thousand by name. */
  readonly failed: readonly FailureRecord[];
  /** What is wrong with files that were dropped into `events/`; the first thousand by name. */
  readonly problems: readonly string[];
}

export interface ReportInput {
  readonly overview: Overview;
  readonly phases: PhaseLengths | undefined;
  /** Wall clock, ms. */
  readonly now: number;
  /** Of states that are not done, as far as they were read. */
  readonly machineOf: ReadonlyMap<string, string>;
  readonly oldest: { readonly state: string; readonly since: number } | undefined;
}

/** Rates are taken over so much of the past, ms. */
const RATE_WINDOW = 60_000;

export function buildReport(input: ReportInput): StatusReport {
  const { overview, phases, now, oldest } = input;
  const { names: _names, isArchiveSampled, ...counts } = overview.census;
  const rate = rateOf(overview, now);
  const left = counts.available + counts.inProgress;
  const moment = phases === undefined ? undefined : momentAt(phases, now);
  const { machines, isSampled } = countMachines(input);
  return {
    paused: overview.paused,
    counts,
    isArchiveSampled,
    phase: moment && {
      name: moment.phase,
      after: moment.after,
      left: Math.round(moment.end - now),
      cycle: moment.cycle,
    },
    rate,
    eta: rate > 0 && left > 0 ? Math.round((left / rate) * 1000) : undefined,
    oldest: oldest && { state: oldest.state, waiting: Math.max(0, Math.round(now - oldest.since)) },
    machines,
    areMachinesSampled: isSampled,
    workers: listWorkers(overview),
    held: listHeld(overview, now),
    failed: overview.failed,
    problems: overview.problems,
  };
}

function rateOf({ tails }: Overview, now: number): number {
  let [count, first] = [0, now];
  for (const { result, started, duration } of tails.entries) {
    const end = Date.parse(started) + duration;
    if (result !== 'done' || now - end >= RATE_WINDOW) continue;
    count += 1;
    first = Math.min(first, end);
  }
  return (count * 1000) / Math.max(1000, Math.min(RATE_WINDOW, now - first));
}

const UNKNOWN = '(unknown)';

/** Of each kind, what was looked at stands for all of it. */
function countMachines({ overview, machineOf }: ReportInput): {
  machines: Record<string, MachineCounts>;
  isSampled: boolean;
} {
  const { census, inProgress, failed, tails } = overview;
  const machines: Record<string, MachineCounts> = {};
  let isSampled = false;
  const add = (kind: keyof MachineCounts, seen: readonly string[], whole: number): void => {
    const counts = new Map<string, number>();
    for (const machine of seen) counts.set(machine, (counts.get(machine) ?? 0) + 1);
    for (const [machine, count] of counts) {
      machines[machine] ??= { available: 0, inProgress: 0, done: 0, failed: 0 };
      machines[machine][kind] = Math.round((count * whole) / seen.length);
    }
    isSampled ||= seen.length !== whole;
  };
  const of = (name: string): string => machineOf.get(name) ?? UNKNOWN;
  add('available', census.names.available.map(of), census.available);
  add(
    'inProgress',
    inProgress.map(({ state, held }) => held?.machine ?? of(state)),
    inProgress.length,
  );
  add(
    'failed',
    failed.map(({ state }) => of(state)),
    census.failed,
  );
  const done = tails.entries.flatMap(({ result, machine }) => (result === 'done' ? [machine] : []));
  // What no journal knows of was done before they were moved away, or by others.
  const missing = tails.cut.size === 0 ? census.done - done.length : 0;
  for (let index = 0; index < missing; index += 1) done.push(UNKNOWN);
  add('done', done, census.done);
  return { machines, isSampled };
}

function listWorkers({ sessions, registered, tails, inProgress }: Overview): WorkerLine[] {
  const live = new Set(sessions.map((token) => token.worker));
  const isRegistered = new Set(registered);
  const results = new Map<string, { done: number; failed: number }>();
  for (const name of [...registered, ...live]) results.set(name, { done: 0, failed: 0 });
  for (const { worker, result } of tails.entries) {
    const counts = results.get(worker) ?? { done: 0, failed: 0 };
    results.set(worker, counts);
    if (result === 'done' || result === 'failed') counts[result] += 1;
  }
  const holding = Map.groupBy(inProgress, ({ token }) => token?.worker);
  return [...results]
    .sort(([a], [b]) => compareCodePoints(a, b))
    .map(([worker, counts]) => {
      const idle = isRegistered.has(worker) ? ('available' as const) : ('gone' as const);
      return {
        worker,
        state: live.has(worker) && !isRegistered.has(worker) ? 'busy' : idle,
        ...counts,
        isCut: tails.cut.has(worker),
        holding: (holding.get(worker) ?? []).map(({ state }) => state),
      };
    });
}

function listHeld(overview: Overview, now: number): HeldLine[] {
  return overview.inProgress.map(({ state, token, held }) => ({
    state,
    worker: token?.worker ?? '(foreign)',
    stage: held?.stage ?? 'claimed',
    attempt: held?.attempt,
    held: held && Math.max(0, Math.round(now - Date.parse(held.since))),
  }));
}
