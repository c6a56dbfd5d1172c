/** What the journal says of a tick. */
import type { Change, JournalEntry, Token } from '../store/session.ts';
import type { TickTask } from './ports.ts';

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
