/**
 * Files that a session stages: records, many to a file. A group commit writes and syncs one file,
 * and adds links to it in `done/`. The file stays until all its records are finished.
 */
import { isStateName } from '../machine/name.ts';
import { formatRecord, recordedStates, type CommitRecord } from '../machine/record.ts';
import { listEntry, readFlag, remove, replaceWhole } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';

/** Size limit of one file: to read one record, a session reads all of it. */
const MAX_BUNDLE_BYTES = 32 * 1024;

/** Path of the list of what a session holds, for people: it goes with the session's staging directory. */
export const claimReportPath = (layout: Layout, session: string): string =>
  layout.internal('staging', session, '.held');

/** A record, and what is written of it. */
export interface RecordText {
  readonly state: string;
  readonly text: string;
}

/** Splits `records` into pieces of at most `size` of them and MAX_BUNDLE_BYTES (a single one may be larger). */
export function toBundles<Item extends RecordText>(
  records: readonly Item[],
  size: number,
): Item[][] {
  const bundles: Item[][] = [];
  let bytes = 0;
  for (const record of records) {
    const { length } = record.text;
    const last = bundles.at(-1);
    if (last === undefined || last.length >= size || bytes + length > MAX_BUNDLE_BYTES) {
      bundles.push([record]);
      bytes = length;
    } else {
      last.push(record);
      bytes += length;
    }
  }
  return bundles;
}

/**
 * Writes records to a file that is named by the first of them and the number of the others; returns its path. A file with
 * several records is complete as soon as it has its name: the sweep must know all of them. After an error, of fsync too, the
 * content on the disk is unknown, and a removal that the network repeats later would remove a new file of this name: the next
 * try uses another name.
 */
export async function stageBundle(
  context: SessionContext,
  records: readonly RecordText[],
): Promise<string> {
  const { files, restagings } = context;
  const first = records[0]!.state;
  const isPlain = records.length === 1 && restagings === 0;
  const suffix = restagings === 0 ? '' : `~${restagings}`;
  const name = isPlain ? first : `${first}+${records.length - 1}${suffix}`;
  const path = context.staging(name);
  const [temporary, content] = [
    context.staging(`.${name}`),
    records.map(({ text }) => text).join(''),
  ];
  try {
    if (isPlain) {
      await files.create(path, content);
      await files.sync(path);
    } else await replaceWhole(files, temporary, path, content);
  } catch (error) {
    context.restagings += 1;
    if (!isPlain) await remove(files, temporary);
    await remove(files, path);
    throw error;
  }
  return path;
}

/** Stages a record, already staged with others, in a file of its own, which is on the disk when this returns. */
export async function stageAlone(context: SessionContext, record: CommitRecord): Promise<string> {
  context.restagings += 1;
  const path = await stageBundle(context, [{ state: record.state, text: formatRecord(record) }]);
  await context.files.sync(context.staging());
  return path;
}

/** Private copies and incomplete files have dot names. */
const holdsRecords = (name: string): boolean => !name.startsWith('.');

/** The states whose records are in a staged file; none if it is gone. */
export async function stagedStates(
  files: Files,
  directory: string,
  name: string,
): Promise<string[]> {
  if (isStateName(name)) return [name];
  return recordedStates((await readFlag(files, `${directory}/${name}`)) ?? '');
}

/** Names of a session's staged files with records. */
export async function stagedFiles(
  files: Files,
  layout: Layout,
  session: string,
): Promise<string[]> {
  const names = await listEntry(files, layout.internal('staging', session));
  return names.filter(holdsRecords);
}

/**
 * Removes a session's staging directory. False if it has records, or if a file was added meanwhile. Uses one listing: another
 * one may be stale, and differ in its records.
 */
export async function removeStaging(
  files: Files,
  layout: Layout,
  session: string,
): Promise<boolean> {
  const directory = layout.internal('staging', session);
  const names = await listEntry(files, directory);
  if (names.some(holdsRecords)) return false;
  for (const name of names) await remove(files, `${directory}/${name}`);
  try {
    await files.removeDirectory(directory);
  } catch (error) {
    return errnoOf(error) === 'ENOENT';
  }
  return true;
}
