/** What `status` says, as data: a function of what was read, and of the time. */
import { momentAt, type Moment, type PhaseLengths } from '../semaphore/cycle.ts';
import type { FailureRecord } from '../machine/record.ts';
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
    readonly done: number;
    readonly failed: number;
  };
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
  readonly oldest: { readonly state: string; readonly waiting: number } | undefined;
  readonly machines: Readonly<Record<string, MachineCounts>>;
  readonly workers: readonly WorkerLine[];
  readonly held: readonly HeldLine[];
  readonly failed: readonly FailureRecord[];
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
  const { available, delayed, inProgress, done, failed } = overview;
  const rate = rateOf(overview, now);
  const left = available.length + inProgress.length;
  const moment = phases === undefined ? undefined : momentAt(phases, now);
  return {
    paused: overview.paused,
    counts: {
      available: available.length,
      delayed: available.filter((name) => delayed.has(name)).length,
      inProgress: inProgress.length,
      done: done.length,
      failed: failed.length,
    },
    phase: moment && {
      name: moment.phase,
      after: moment.after,
      left: Math.round(moment.end - now),
      cycle: moment.cycle,
    },
    rate,
    eta: rate > 0 && left > 0 ? Math.round((left / rate) * 1000) : undefined,
    oldest: oldest && { state: oldest.state, waiting: Math.max(0, Math.round(now - oldest.since)) },
    machines: countMachines(input),
    workers: listWorkers(overview),
    held: listHeld(overview, now),
    failed,
  };
}

function rateOf({ journal }: Overview, now: number): number {
  const ends = journal
    .filter((entry) => entry.result === 'done')
    .map((entry) => Date.parse(entry.started) + entry.duration)
    .filter((end) => now - end < RATE_WINDOW);
  if (ends.length === 0) return 0;
  const span = Math.max(1000, Math.min(RATE_WINDOW, now - Math.min(...ends)));
  return (ends.length * 1000) / span;
}

function countMachines({ overview, machineOf }: ReportInput): Record<string, MachineCounts> {
  const counts: Record<string, MachineCounts> = {};
  const count = (machine: string, key: keyof MachineCounts): void => {
    counts[machine] ??= { available: 0, inProgress: 0, done: 0, failed: 0 };
    counts[machine][key] += 1;
  };
  const of = (name: string): string => machineOf.get(name) ?? '(unknown)';
  const doneMachine = new Map(
    overview.journal
      .filter((entry) => entry.result === 'done')
      .map((entry) => [entry.state, entry.machine]),
  );
  for (const name of overview.available) count(of(name), 'available');
  for (const { state, held } of overview.inProgress)
    count(held?.machine ?? of(state), 'inProgress');
  for (const name of overview.done) count(doneMachine.get(name) ?? of(name), 'done');
  for (const { state } of overview.failed) count(of(state), 'failed');
  return counts;
}

function listWorkers(overview: Overview): WorkerLine[] {
  const live = new Set(overview.sessions.map((token) => token.worker));
  const registered = new Set(overview.registered);
  const names = new Set([...registered, ...live, ...overview.journal.map((entry) => entry.worker)]);
  return [...names].sort().map((worker) => {
    const entries = overview.journal.filter((entry) => entry.worker === worker);
    const idle = registered.has(worker) ? ('available' as const) : ('gone' as const);
    return {
      worker,
      state: live.has(worker) && !registered.has(worker) ? 'busy' : idle,
      done: entries.filter((entry) => entry.result === 'done').length,
      failed: entries.filter((entry) => entry.result === 'failed').length,
      holding: overview.inProgress
        .filter(({ token }) => token?.worker === worker)
        .map(({ state }) => state),
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
