/** What the journal says of a step: of a tick, or of events that were applied. */
import type { AppliedEvent, CommitRecord } from '../machine/record.ts';
import type { JournalEntry, JournalEvent } from './engine.ts';
import type { Outcome, Settlement } from './session.ts';

const RESULT: Record<Outcome['kind'], JournalEntry['result']> = {
  commit: 'done',
  fail: 'failed',
  retry: 'retry',
  refuse: 'released',
  defer: 'released',
  wait: 'released',
  release: 'released',
};

/** Of an engine's outcome, or of the volume's own form of it. */
interface SettledOutcome {
  readonly kind: Outcome['kind'];
  readonly record?: object | undefined;
}

/** The session that has settled the step. */
interface SettledBy {
  readonly token: Pick<JournalEntry, 'worker' | 'session'>;
  /** The store's time, ISO 8601. */
  stamp(): string;
}

/** `started`: ISO 8601, `duration`: milliseconds. */
export interface FinishedTick {
  /** The state file. */
  readonly name: string;
  readonly machine: string;
  readonly attempt: number;
  readonly started: string;
  readonly duration: number;
}

function tickEntry(
  { name, machine, attempt, started, duration }: FinishedTick,
  { worker, session }: SettledBy['token'],
  change: SettledOutcome,
): JournalEntry {
  const result = RESULT[change.kind];
  return { started, duration, state: name, machine, worker, session, attempt, result };
}

/** Of what a worker has settled; undefined where there is nothing to say: see `untickedEntry`. */
export function entryOf(
  name: string,
  change: SettledOutcome,
  { tick, machine }: Pick<Settlement, 'tick' | 'machine'>,
  by: SettledBy,
): JournalEntry | undefined {
  return tick === undefined
    ? untickedEntry(name, machine, change, by)
    : tickEntry({ name, machine: machine ?? '', ...tick }, by.token, change);
}

/** Of each step. */
const MAX_EVENTS = 16;
const MAX_NAME_LENGTH = 100;

/**
 * Of a step that was decided without a tick: events were applied, timers set, or a terminal state was reached. Undefined
 * for a state that stays as it is, and where no machine has decided.
 */
export function untickedEntry(
  state: string,
  machine: string | undefined,
  change: SettledOutcome,
  by: SettledBy,
): JournalEntry | undefined {
  if (change.kind !== 'commit' || machine === undefined) return undefined;
  const { worker, session } = by.token;
  const events = ((change.record as CommitRecord | undefined)?.events ?? [])
    .slice(0, MAX_EVENTS)
    .map(briefly);
  const [started, duration, attempt, result] = [by.stamp(), 0, 0, 'done'] as const;
  return { started, duration, state, machine, worker, session, attempt, events, result };
}

function briefly({ event, id, outcome, from, to }: AppliedEvent): JournalEvent {
  const cut = (text: string): string => text.slice(0, MAX_NAME_LENGTH);
  const name = cut(event ?? id);
  return { event: name, outcome, from: cut(from), ...(to !== undefined && { to: cut(to) }) };
}

/** A step of events that was not committed has no entry: another session's step applies them, and has one. */
export function settledEntry(
  entry: JournalEntry | undefined,
  { lost }: { readonly lost: boolean },
): JournalEntry[] {
  if (entry === undefined) return [];
  if (!lost) return [entry];
  return entry.events === undefined ? [{ ...entry, result: 'lost' }] : [];
}
