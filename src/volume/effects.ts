/** What a step does besides leading to its successor: events are taken up, and caused. Each part can be done twice. */
import { formatRecord, recordOfEvent, type CommitRecord } from '../machine/record.ts';
import { linkOnce, publish, remove } from './exclusive.ts';
import { isKept } from './files.ts';
import type { Member } from './member.ts';
import { standingOf } from './outcomes.ts';

/**
 * I10: makes the events of this record those of its state, and no other's. `taken` if one of them is another's
 * already: then the record must not be committed. `unknown` if that is not to be seen now. `staged`: the file that has it.
 */
export async function assignEvents(
  member: Member,
  record: CommitRecord,
  staged: string,
  may: () => boolean,
): Promise<'ours' | 'taken' | 'unknown' | 'late'> {
  for (const { id } of record.events ?? []) {
    const outcome = await assignOne(member, record, staged, id, may);
    if (outcome !== 'ours') return outcome;
  }
  return 'ours';
}

async function assignOne(
  member: Member,
  record: CommitRecord,
  staged: string,
  id: string,
  may: () => boolean,
): Promise<'ours' | 'taken' | 'unknown' | 'late'> {
  const { files, layout } = member;
  for (let generation = 0; ;) {
    const name = layout.outcome(id, generation);
    const isOurs = (text: string): boolean => recordOfEvent(text, id)?.state === record.state;
    const content = formatRecord(record);
    const outcome = await nameFor(member, { source: staged, content, name, isOurs, may });
    if (outcome !== 'taken') return outcome;
    const standing = await standingOf(files, layout, id);
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
  member: Member,
  record: CommitRecord,
  source: string,
  may: () => boolean,
): Promise<boolean> {
  for (const { name, content } of record.emit ?? []) {
    // Whatever has this name is this event.
    const wanted = { source, content, name: member.layout.event(name), isOurs: () => true, may };
    if ((await nameFor(member, wanted)) === 'late') return false;
  }
  return true;
}

/** Once the record is a flag, on the disk. False if it came too late for some (I4). */
export async function retireEvents(
  member: Member,
  record: CommitRecord,
  may: () => boolean,
): Promise<boolean> {
  for (const { file } of record.events ?? []) {
    if (!may()) return false;
    await remove(member.files, member.layout.event(file));
  }
  return may();
}

/** What was found to be over. In Update System only (I4). */
export async function dropOver(member: Member, may: () => boolean): Promise<void> {
  for (const file of member.over) {
    if (!may() || !(await dropEvent(member, file, may))) return;
    member.over.delete(file);
  }
}

/**
 * Takes away an event that is over, by whoever's doing: that may not be on the disk yet, and then the power would
 * leave neither. False if it came too late (I4).
 */
export async function dropEvent(
  member: Member,
  file: string,
  may: () => boolean,
): Promise<boolean> {
  const { files, layout } = member;
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
  member: Member,
  { source, content, name, isOurs, may }: Wanted,
): Promise<'ours' | 'taken' | 'late'> {
  const { files } = member;
  if (!may()) return 'late';
  try {
    return await linkOnce(files, source, name, isOurs);
  } catch (error) {
    const isCopied = member.meetsBundleLimit(error) || isKept(error);
    if (!isCopied) throw error;
    // Without the instance's name: with that of an event it would be too long.
    const [entry] = name.slice(name.lastIndexOf('/') + 1).split('@', 1);
    const temporary = member.staging(`.copy.${entry}`);
    return publish(files, temporary, name, content, { may });
  }
}
