/** What the journal says of a step: of a tick, or of events that were applied. */
import type { AppliedEvent } from '../machine/record.ts';
import type { Change, JournalEntry, JournalEvent, Session, Token } from './operations.ts';
import type { TickTask } from '../worker/ports.ts';

const RESULT: Record<Change['kind'], JournalEntry['result']> = {
  commit: 'done',
  fail: 'failed',
  retry: 'retry',
  refuse: 'released',
  defer: 'released',
  wait: 'released',
  release: 'released',
};

/** `started`: ISO 8601, `duration`: milliseconds. */
export function entryOf(
  { name, machine, attempt }: TickTask,
  { worker, session }: Token,
  change: Change,
  { started, duration }: { readonly started: string; readonly duration: number },
): JournalEntry {
  const result = RESULT[change.kind];
  return { started, duration, state: name, machine, worker, session, attempt, result };
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
  change: Change,
  by: Pick<Session, 'token' | 'stamp'>,
): JournalEntry | undefined {
  if (change.kind !== 'commit' || machine === undefined) return undefined;
  const { worker, session } = by.token;
  const events = (change.record?.events ?? []).slice(0, MAX_EVENTS).map(briefly);
  const [started, duration, attempt, result] = [by.stamp(), 0, 0, 'done'] as const;
  return { started, duration, state, machine, worker, session, attempt, events, result };
}

function briefly({ event, id, outcome, from, to }: AppliedEvent): JournalEvent {
  const cut = (text: string): string => text.slice(0, MAX_NAME_LENGTH);
  const name = cut(event ?? id);
  return { event: name, outcome, from: cut(from), ...(to !== undefined && { to: cut(to) }) };
}

/** Events of a step that was not committed are applied by another one, which has its own entry. */
export function settledEntry(
  entry: JournalEntry | undefined,
  { lost }: { readonly lost: boolean },
): JournalEntry[] {
  if (entry === undefined) return [];
  if (!lost) return [entry];
  return entry.events === undefined ? [{ ...entry, result: 'lost' }] : [];
}
