/** What a step does besides leading to its successor: events are taken up, and caused. Each part can be done twice. */
import { formatRecord, recordOfEvent, type CommitRecord } from '../machine/record.ts';
import { linkIfAbsent, remove, writeAtomically } from './atomic-files.ts';
import { isKept } from './files.ts';
import type { SessionContext } from './session-context.ts';
import { eventStatus } from './outcomes.ts';

/**
 * I10: makes the events of this record those of its state, and no other's. `taken` if one of them is another's
 * already: then the record must not be committed. `unknown` if that is not to be seen now. `staged`: the file that has it.
 */
export async function assignEvents(
  context: SessionContext,
  record: CommitRecord,
  staged: string,
  may: () => boolean,
): Promise<'ours' | 'taken' | 'unknown' | 'late'> {
  for (const { id } of record.events ?? []) {
    const outcome = await assignOne(context, record, staged, id, may);
    if (outcome !== 'ours') return outcome;
  }
  return 'ours';
}

async function assignOne(
  context: SessionContext,
  record: CommitRecord,
  staged: string,
  id: string,
  may: () => boolean,
): Promise<'ours' | 'taken' | 'unknown' | 'late'> {
  const { files, layout } = context;
  for (let generation = 0; ;) {
    const name = layout.outcome(id, generation);
    const isOurs = (text: string): boolean => recordOfEvent(text, id)?.state === record.state;
    const content = formatRecord(record);
    const outcome = await nameFor(context, { source: staged, content, name, isOurs, may });
    if (outcome !== 'taken') return outcome;
    const standing = await eventStatus(files, layout, id);
    if (standing.kind === 'unknown') return 'unknown';
    // Where it is over, too: it may be by this very record, whose flag is not on the disk yet.
    if (standing.kind !== 'free') return standing.state === record.state ? 'ours' : 'taken';
    // What another session had meant to commit, and did not.
    generation = standing.generation;
  }
}

/**
 * The events that it causes: names of the file that has the record, `source`. Whoever calls it syncs `events/`. False
 * if it came too late for some.
 */
export async function emitEvents(
  context: SessionContext,
  record: CommitRecord,
  source: string,
  may: () => boolean,
): Promise<boolean> {
  for (const { name, content } of record.emit ?? []) {
    // Whatever has this name is this event.
    const wanted = { source, content, name: context.layout.event(name), isOurs: () => true, may };
    if ((await nameFor(context, wanted)) === 'late') return false;
  }
  return true;
}

/** Once the record is a flag, on the disk. False if it came too late for some (I4). */
export async function retireEvents(
  context: SessionContext,
  record: CommitRecord,
  may: () => boolean,
): Promise<boolean> {
  for (const { file } of record.events ?? []) {
    if (!may()) return false;
    await remove(context.files, context.layout.event(file));
  }
  return may();
}

/** What was found to be over. In Update System only (I4). */
export async function dropOver(context: SessionContext, may: () => boolean): Promise<void> {
  for (const file of context.over) {
    if (!may() || !(await dropEvent(context, file, may))) return;
    context.over.delete(file);
  }
}

/**
 * Takes away an event that is over, by whoever's doing: that may not be on the disk yet, and then the power would
 * leave neither. False if it came too late (I4).
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

interface Wanted {
  /** A file that has it. */
  readonly source: string;
  /** What matters of that. */
  readonly content: string;
  readonly name: string;
  readonly isOurs: (text: string) => boolean;
  /** I4: asked just before the name is made. */
  readonly may: () => boolean;
}

/** One more name of a file; a copy of what matters in it, where that has as many as it may have, or is another user's. */
async function nameFor(
  context: SessionContext,
  { source, content, name, isOurs, may }: Wanted,
): Promise<'ours' | 'taken' | 'late'> {
  const { files } = context;
  if (!may()) return 'late';
  try {
    return await linkIfAbsent(files, source, name, isOurs);
  } catch (error) {
    const isCopied = context.meetsBundleLimit(error) || isKept(error);
    if (!isCopied) throw error;
    // Without the instance's name: with that of an event it would be too long.
    const [entry] = name.slice(name.lastIndexOf('/') + 1).split('@', 1);
    const temporary = context.staging(`.copy.${entry}`);
    return writeAtomically(files, temporary, name, content, { may });
  }
}
