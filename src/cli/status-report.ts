/** Builds the report of `status` from what was read, and the time. */
import type { FailureRecord } from '../machine/record.ts';
import { momentAt, type Moment, type PhaseLengths } from '../volume/phases/cycle.ts';
import { compareCodePoints } from '../machine/name.ts';
import type { JournalEntry } from '../volume/operations.ts';
import type { FlagCounts, InstancePlace, Overview } from '../volume/overview.ts';
import { SILENT_AFTER_LEASES } from '../volume/vitals.ts';
import type { OpenBranch } from './waits.ts';

export interface MachineCounts {
  available: number;
  inProgress: number;
  waiting: number;
  done: number;
  failed: number;
}

export interface WorkerLine {
  readonly worker: string;
  /**
   * `available`: registered for more. `busy`: alive, holds all it can. `silent`: missed two heartbeats. `dead`: silent for
   * longer than a lease. `foreign`: a flag of the original program, or one left behind. `gone`: only its journal exists.
   */
  readonly state: 'available' | 'busy' | 'silent' | 'dead' | 'foreign' | 'gone';
  /** Milliseconds without a heartbeat; undefined without a lease. */
  readonly silent: number | undefined;
  readonly done: number;
  readonly failed: number;
  /** `done` and `failed` are lower bounds, from the ends of its journals. */
  readonly isCut: boolean;
  readonly holding: readonly string[];
  /** ISO 8601: end of the last known step. */
  readonly last: string | undefined;
}

export interface HeldLine {
  readonly state: string;
  readonly worker: string;
  readonly stage: string;
  readonly attempt: number | undefined;
  /** Milliseconds. */
  readonly held: number | undefined;
  /** Its worker's lease is valid; false for a foreign flag. */
  readonly isAlive: boolean;
}

/** A state that waits for an event or for branches. */
export interface WaitingLine {
  /** The state file's name. */
  readonly name: string;
  readonly machine: string;
  readonly state: string;
  /** Branches of a join that have not ended. */
  readonly blockedBy: readonly OpenBranch[];
  /** Pending events for it. */
  readonly events: readonly { readonly event: string; readonly due: string; readonly in: number }[];
}

/** How many instances wait in a state of a machine. */
export interface WaitingCount {
  readonly machine: string;
  readonly state: string;
  readonly count: number;
}

export interface StatusReport {
  /** Work is left, and no worker is alive. */
  readonly isAbandoned: boolean;
  readonly paused: boolean;
  readonly counts: FlagCounts;
  /** `counts.archived` is an estimate from some of the shards. */
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
  /** Milliseconds for the known states; chains may still grow. */
  readonly eta: number | undefined;
  /** Of the available states that were looked at. */
  readonly oldest: { readonly state: string; readonly waiting: number } | undefined;
  readonly machines: Readonly<Record<string, MachineCounts>>;
  /** `machines` are estimates from some state files and the ends of the journals. */
  readonly areMachinesSampled: boolean;
  readonly workers: readonly WorkerLine[];
  readonly held: readonly HeldLine[];
  /** Estimates if `areMachinesSampled`. */
  readonly waiting: readonly WaitingCount[];
  /** A sample: joins first, then states with pending events. */
  readonly waits: readonly WaitingLine[];
  /** The first thousand by name. */
  readonly failed: readonly FailureRecord[];
  /** Problems of files that were dropped into `events/`; the first thousand by name. */
  readonly problems: readonly string[];
}

export interface ReportInput {
  readonly overview: Overview;
  readonly phases: PhaseLengths | undefined;
  /** Wall clock, ms. */
  readonly now: number;
  /** Milliseconds; undefined before the first worker. */
  readonly lease: number | undefined;
  /** Milliseconds without a heartbeat, by session that has a lease. */
  readonly silences: ReadonlyMap<string, number>;
  /** Places of states that are not done, by name, as far as they were read. */
  readonly places: ReadonlyMap<string, Pick<InstancePlace, 'machine' | 'state'>>;
  /** Machines of done states that are in no journal; a sample of many. */
  readonly unrecorded: readonly string[];
  readonly waits: readonly WaitingLine[];
  readonly oldest: { readonly state: string; readonly since: number } | undefined;
}

const RATE_WINDOW_MS = 60_000;

/** A run counts as over when nothing was done for so long. */
const RUN_OVER_AFTER_MS = 5000;

export function buildReport(input: ReportInput): StatusReport {
  const { overview, phases, now, oldest } = input;
  const { names: _names, isArchiveSampled, ...counts } = overview.census;
  const rate = rateOf(overview, now);
  const left = counts.available + counts.inProgress;
  const moment = phases === undefined ? undefined : momentAt(phases, now);
  const { machines, isSampled } = countMachines(input);
  const workers = listWorkers(input);
  const isAlive = ({ state }: WorkerLine): boolean => !['dead', 'gone'].includes(state);
  return {
    isAbandoned: left + counts.events > 0 && !workers.some(isAlive),
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
    workers,
    held: listHeld(input),
    waiting: countWaiting(input),
    waits: input.waits,
    failed: overview.failed,
    problems: overview.problems,
  };
}

/**
 * Steps a second in the last minute of work, summed over workers. A worker whose journal was not parsed from the beginning
 * counts from its first parsed entry.
 */
function rateOf({ tails }: Overview, now: number): number {
  const endOf = ({ started, duration }: JournalEntry): number => Date.parse(started) + duration;
  const all = tails.entries.filter((entry) => now - endOf(entry) < RATE_WINDOW_MS);
  const done = all.filter(({ result }) => result === 'done');
  if (done.length === 0) return 0;
  let [first, last] = [now, 0];
  for (const entry of done) {
    first = Math.min(first, endOf(entry));
    last = Math.max(last, endOf(entry));
  }
  const until = now - last > RUN_OVER_AFTER_MS ? last : Math.max(now, last);
  let rate = 0;
  for (const [worker, entries] of Map.groupBy(done, (entry) => entry.worker)) {
    const isCut = tails.cut.has(worker);
    const from = isCut ? entries.reduce((min, entry) => Math.min(min, endOf(entry)), now) : first;
    rate += (entries.length * 1000) / Math.max(1000, until - from);
  }
  return rate;
}

const UNKNOWN = '(unknown)';
/** In place of a worker's name: a flag of the original program, or one left behind. */
export const FOREIGN = '(foreign)';

/** Journals do not record versions. */
const nameOf = (reference: string): string => reference.replace(/:.*$/s, '');

/** Extrapolates each kind from the states that were looked at. */
function countMachines({ overview, places, unrecorded }: ReportInput): {
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
      machines[machine] ??= { available: 0, inProgress: 0, waiting: 0, done: 0, failed: 0 };
      machines[machine][kind] = Math.round((count * whole) / seen.length);
    }
    isSampled ||= seen.length !== whole;
  };
  const of = (name: string): string => nameOf(places.get(name)?.machine ?? UNKNOWN);
  add('available', census.names.available.map(of), census.available);
  add(
    'inProgress',
    inProgress.map(({ state, held }) => held?.machine ?? of(state)),
    inProgress.length,
  );
  add('waiting', census.names.waiting.map(of), census.waiting);
  add(
    'failed',
    failed.map(({ state }) => of(state)),
    census.failed,
  );
  const done = tails.entries.flatMap(({ result, machine }) => (result === 'done' ? [machine] : []));
  // Not in a journal: done before journals were moved away, or by the original program.
  const missing = tails.cut.size === 0 ? Math.max(0, census.done - done.length) : 0;
  const known = unrecorded.length === 0 ? [UNKNOWN] : unrecorded.map(nameOf);
  for (let index = 0; index < missing; index += 1) done.push(known[index % known.length]!);
  add('done', done, census.done);
  return { machines, isSampled: isSampled || (missing > 0 && missing !== unrecorded.length) };
}

function countWaiting({ overview, places }: ReportInput): WaitingCount[] {
  const { names, waiting } = overview.census;
  const counts = new Map<string, WaitingCount>();
  for (const name of names.waiting) {
    const { machine: reference, state } = places.get(name) ?? { machine: UNKNOWN, state: UNKNOWN };
    const machine = nameOf(reference);
    const key = JSON.stringify([machine, state]);
    counts.set(key, { machine, state, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  const scale = waiting / names.waiting.length;
  return [...counts.values()]
    .map((one) => ({ ...one, count: Math.round(one.count * scale) }))
    .sort((a, b) => compareCodePoints(a.machine, b.machine) || b.count - a.count);
}

function listWorkers(input: ReportInput): WorkerLine[] {
  const { sessions, registered, tails, inProgress } = input.overview;
  const results = new Map<string, { done: number; failed: number; last: number }>();
  const resultsOf = (name: string): { done: number; failed: number; last: number } => {
    const known = results.get(name) ?? { done: 0, failed: 0, last: Number.NEGATIVE_INFINITY };
    results.set(name, known);
    return known;
  };
  for (const { name } of registered) resultsOf(name);
  for (const { worker } of sessions) resultsOf(worker);
  for (const { worker, result, started, duration } of tails.entries) {
    const known = resultsOf(worker);
    if (result === 'done' || result === 'failed') known[result] += 1;
    known.last = Math.max(known.last, Date.parse(started) + duration);
  }
  for (const [worker, { done, failed }] of tails.before) {
    const known = resultsOf(worker);
    known.done += done;
    known.failed += failed;
  }
  const holding = Map.groupBy(inProgress, ({ token }) => token?.worker);
  return [...results]
    .sort(([a], [b]) => compareCodePoints(a, b))
    .map(([worker, { done, failed, last }]) => ({
      worker,
      ...vitalityOf(worker, input),
      done,
      failed,
      isCut: tails.uncounted.has(worker),
      holding: (holding.get(worker) ?? []).map(({ state }) => state),
      last: Number.isFinite(last) ? new Date(last).toISOString() : undefined,
    }));
}

/** Of the session of this name that was heard of last. */
function vitalityOf(
  worker: string,
  { overview, lease = 0, silences }: ReportInput,
): Pick<WorkerLine, 'state' | 'silent'> {
  const flag = overview.registered.find(({ name }) => name === worker);
  const sessions = overview.sessions.filter((token) => token.worker === worker);
  if (sessions.length === 0) {
    const isForeign = flag !== undefined && flag.session === undefined;
    return { state: isForeign ? 'foreign' : 'gone', silent: undefined };
  }
  const known = sessions.flatMap(({ session }) => silences.get(session) ?? []);
  if (known.length === 0) return { state: 'dead', silent: undefined };
  const silent = Math.round(Math.min(...known));
  if (silent > lease) return { state: 'dead', silent };
  if (silent > lease * SILENT_AFTER_LEASES) return { state: 'silent', silent };
  return { state: flag === undefined ? 'busy' : 'available', silent };
}

function listHeld({ overview, now, lease = 0, silences }: ReportInput): HeldLine[] {
  return overview.inProgress.map(({ state, token, held, since }) => {
    const began = held === undefined ? since : Date.parse(held.since);
    return {
      state,
      worker: token?.worker ?? FOREIGN,
      stage: held?.stage ?? 'claimed',
      attempt: held?.attempt,
      held: began === undefined ? undefined : Math.max(0, Math.round(now - began)),
      isAlive: (silences.get(token?.session ?? '') ?? Number.POSITIVE_INFINITY) <= lease,
    };
  });
}
