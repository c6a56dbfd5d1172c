/** What a database stores of a decision. Pure. */
import type { Outcome, Task } from '../engine/session.ts';
import { invariant } from '../machine/invariant.ts';
import {
  failureRecord,
  formatRecord,
  type CommitRecord,
  type PublishedState,
} from '../machine/record.ts';
import { parseStateFile } from '../machine/state-file.ts';
import type { StoredHold, StoredSettlement, StoredState } from './database.ts';
import { storedEmit, storedState } from './steps.ts';

const encoder = new TextEncoder();

export type StoredOutcome = Omit<StoredSettlement, keyof StoredHold>;

const timeOf = (time: string | undefined): number | undefined =>
  time === undefined ? undefined : Date.parse(time);

/** A hold, with what its decision relied on. */
interface Decided {
  readonly task: Task;
  /** By instance: the step that it has seen, -1 for none. */
  readonly observed: ReadonlyMap<string, number>;
}

export function storedOutcome(
  outcome: Exclude<Outcome, { kind: 'refuse' }>,
  decided: Decided,
): StoredOutcome {
  if (outcome.kind === 'commit') return storedCommit(outcome, decided);
  if (outcome.kind === 'fail') return { kind: 'fail', note: formatRecord(outcome.record) };
  if (outcome.kind === 'defer') return { kind: 'defer', notBefore: timeOf(outcome.notBefore) };
  if (outcome.kind !== 'retry') return { kind: outcome.kind };
  const attempt = { ...outcome.attempt, attempt: decided.task.attempts.length + 1 };
  return { kind: 'retry', note: formatRecord(attempt), notBefore: timeOf(attempt.notBefore) };
}

function storedCommit(
  { record, rests, readSet }: Extract<Outcome, { kind: 'commit' }>,
  { task, observed }: Decided,
): StoredOutcome {
  const reads = readSet?.map((instance) => [instance, observed.get(instance) ?? -1] as const);
  const read = reads === undefined || reads.length === 0 ? undefined : Object.fromEntries(reads);
  const { name, session } = task;
  if (record === undefined) return { kind: 'commit', ...(read && { reads: read }) };
  const isOwn = record.state === name;
  invariant(isOwn, 'I2: expected the record of the state that is held', name, session);
  invariant(record.session === session, 'I1: expected a record of the session', name, session);
  const { next, events, emit, branches } = record;
  return {
    kind: 'commit',
    record: formatRecord(record),
    rests: rests === true,
    ...(next && { next: successor(next, session) }),
    ...(events && {
      events: events.map((event) => ({ id: event.id, outcome: JSON.stringify(event) })),
    }),
    ...(emit && { emits: emit.map(storedEmit) }),
    ...(branches && { branches: branches.map((branch) => storedBranch(branch, record)) }),
    ...(read && { reads: read }),
  };
}

function successor({ name, content }: PublishedState, session: string): StoredState {
  const parsed = parseStateFile(encoder.encode(content));
  invariant(parsed.ok, 'I2: expected successors that are state files', name, session);
  return storedState(name, content, parsed.file);
}

/** I9: another instance that has the branch's name is kept, and fails; its reason contains the branch's state file. */
function storedBranch(
  { name, content }: PublishedState,
  { state, session, worker, finished }: CommitRecord,
): NonNullable<StoredSettlement['branches']>[number] {
  const reason = `${state} leads to ${name}, but something else has that name; it is kept as it is, and was to be: ${content}`;
  const by = { session, worker, at: finished };
  const taken = formatRecord(failureRecord(name, by, { code: 'successor-taken', reason }));
  return { ...successor({ name, content }, session), taken };
}
