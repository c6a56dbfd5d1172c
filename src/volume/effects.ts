/** Effects of a step on events: assigns, emits and retires them. Each operation is idempotent. */
import { appliedKeys, formatRecord, recordOfEvent, type CommitRecord } from '../machine/record.ts';
import { linkIfAbsent, remove, writeAtomically } from './atomic-files.ts';
import { isForbidden } from './files.ts';
import type { VolumeSettlement } from './operations.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';

/**
 * I10: assigns the events of this record to its state. `taken` if one of them belongs to another state: the record must not
 * be committed. `unknown` if that cannot be seen now. An assignment is final, so the next call goes on where this one ends: to
 * look at each again takes longer than to make it, and there may be more of them than a phase has time for.
 */
export async function assignEvents(
  context: SessionContext,
  record: CommitRecord,
  step: Pick<VolumeSettlement, 'staged' | 'assigned'>,
  may: () => boolean,
): Promise<'ours' | 'taken' | 'unknown' | 'late'> {
  const keys = appliedKeys(record);
  for (; step.assigned < keys.length; step.assigned += 1) {
    const outcome = await assignOne(context, record, step.staged!, keys[step.assigned]!, may);
    if (outcome !== 'ours') return outcome;
  }
  return 'ours';
}

async function assignOne(
  context: SessionContext,
  record: CommitRecord,
  staged: string,
  key: string,
  may: () => boolean,
): Promise<'ours' | 'taken' | 'unknown' | 'late'> {
  const { files, layout } = context;
  for (let version = 0; ;) {
    const name = layout.outcome(key, version);
    const isOurs = (text: string): boolean => recordOfEvent(text, key)?.state === record.state;
    const content = formatRecord(record);
    const outcome = await linkOrCopy(context, { source: staged, content, name, isOurs, may });
    if (outcome !== 'taken') return outcome;
    const status = await eventStatus(files, layout, key);
    if (status.kind === 'unknown') return 'unknown';
    // Even if it is over: perhaps by this very record, whose flag is not durable yet.
    if (status.kind !== 'free') return status.state === record.state ? 'ours' : 'taken';
    // The record that has this version can never commit.
    version = status.generation;
  }
}

/** Links the emitted events to `source`, the file that holds the record. The caller syncs `events/`. False if too late. */
export async function emitEvents(
  context: SessionContext,
  record: CommitRecord,
  source: string,
  may: () => boolean,
): Promise<boolean> {
  for (const { name, content } of record.emit ?? []) {
    // Any file of this name is this event.
    const request = { source, content, name: context.layout.event(name), isOurs: () => true, may };
    if ((await linkOrCopy(context, request)) === 'late') return false;
  }
  return true;
}

/**
 * Removes the applied events, once the record is durable as a flag. False if it was too late for some (I4): the next call goes
 * on with those.
 */
export async function retireEvents(
  context: SessionContext,
  record: CommitRecord,
  may: () => boolean,
  step: Pick<VolumeSettlement, 'retired'> = { retired: 0 },
): Promise<boolean> {
  const events = record.events ?? [];
  for (; step.retired < events.length; step.retired += 1) {
    if (!may()) return false;
    await remove(context.files, context.layout.event(events[step.retired]!.file));
  }
  return may();
}

/** Removes events that were found to be over. Called in Update System (I4). */
export async function dropOver(context: SessionContext, may: () => boolean): Promise<void> {
  for (const file of context.over) {
    if (!may() || !(await dropEvent(context, file, may))) return;
    context.over.delete(file);
  }
}

/**
 * Removes an event that is over. Syncs its outcome first, which another session may have written: a power failure must not
 * lose both. False if it was too late (I4).
 */
export async function dropEvent(
  context: SessionContext,
  file: string,
  may: () => boolean,
): Promise<boolean> {
  const { files, layout } = context;
  await files.sync(layout.outcomes);
  await files.sync(layout.flags('done'));
  if (!may()) return false;
  await remove(files, layout.event(file));
  return true;
}

interface LinkRequest {
  /** A file that holds the record. */
  readonly source: string;
  /** The part of `source` that a copy needs. */
  readonly content: string;
  readonly name: string;
  readonly isOurs: (text: string) => boolean;
  /** I4: called just before the name is made. */
  readonly may: () => boolean;
}

/** Links `name` to a file; copies `content` where the file is at its link limit, or belongs to another user. */
async function linkOrCopy(
  context: SessionContext,
  { source, content, name, isOurs, may }: LinkRequest,
): Promise<'ours' | 'taken' | 'late'> {
  const { files } = context;
  if (!may()) return 'late';
  try {
    return await linkIfAbsent(files, source, name, isOurs);
  } catch (error) {
    const isCopied = context.meetsBundleLimit(error) || isForbidden(error);
    if (!isCopied) throw error;
    // Without the instance's name: the file name would be too long.
    const [entry] = name.slice(name.lastIndexOf('/') + 1).split('@', 1);
    const temporary = context.staging(`.copy.${entry}`);
    return writeAtomically(files, temporary, name, content, { may });
  }
}
