/**
 * What a session stages: records, many to a file, and successors beside them. One file to write and to sync
 * for a whole burst; `done/` gets further names of it. It stays until nothing of what it holds is owed.
 */
import { isStateName } from '../machine/name.ts';
import { formatRecord, recordedStates, type CommitRecord } from '../machine/record.ts';
import { recreate, listEntry, readFlag, remove, replaceWhole } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';

/** Bytes of one file: whoever looks for one record in it reads all of it. */
const BUNDLE_BYTES = 32 * 1024;

/** A successor waits beside the record. */
export const successorFile = (context: SessionContext, name: string): string =>
  context.staging(`.${name}`);

/** In pieces of at most `size` items, and of so many bytes as are worth reading for one of them. */
export function toBundles<Item>(
  items: readonly Item[],
  textOf: (item: Item) => string,
  size: number,
): Item[][] {
  const bundles: Item[][] = [];
  let bytes = 0;
  for (const item of items) {
    const { length } = textOf(item);
    const last = bundles.at(-1);
    if (last === undefined || last.length >= size || bytes + length > BUNDLE_BYTES) {
      bundles.push([item]);
      bytes = length;
    } else {
      last.push(item);
      bytes += length;
    }
  }
  return bundles;
}

/**
 * Writes records to a file that is named by the first of them and by how many more there are; returns its path.
 * One of many is whole as soon as it has its name: whoever sweeps has to know all that is in it. After an error,
 * of fsync too, nobody knows what is on the disk, and a removal that the network repeats later takes what has the
 * name by then: the next try has another name.
 */
export async function stageBundle(
  context: SessionContext,
  records: readonly CommitRecord[],
): Promise<string> {
  const { files, restagings } = context;
  const first = records[0]!.state;
  const isPlain = records.length === 1 && restagings === 0;
  const suffix = restagings === 0 ? '' : `~${restagings}`;
  const name = isPlain ? first : `${first}+${records.length - 1}${suffix}`;
  const path = context.staging(name);
  const [temporary, content] = [context.staging(`.${name}`), records.map(formatRecord).join('')];
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

/** A file of its own for what is staged already, with others; on the disk when it is done. */
export async function stageAlone(context: SessionContext, record: CommitRecord): Promise<string> {
  context.restagings += 1;
  const path = await stageBundle(context, [record]);
  await context.files.sync(context.staging());
  return path;
}

/** Successors, and what is half-written, have dot names. */
const holdsRecords = (name: string): boolean => !name.startsWith('.');

/** The states whose records are in a staged file, if it is still there. */
export async function stagedStates(
  files: Files,
  directory: string,
  name: string,
): Promise<string[]> {
  if (isStateName(name)) return [name];
  return recordedStates((await readFlag(files, `${directory}/${name}`)) ?? '');
}

/** The files with records that a session has staged. */
export async function stagedFiles(
  files: Files,
  layout: Layout,
  session: string,
): Promise<string[]> {
  const names = await listEntry(files, layout.internal('staging', session));
  return names.filter(holdsRecords);
}

/**
 * Takes away what a session has staged, and its directory, unless there are records: then, or if something has come
 * meanwhile, false. By one listing: the next one may be of another time, and show a record.
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

/** Not synced: should the power take its content, it is written again from its parent's record. */
export async function stageSuccessor(context: SessionContext, record: CommitRecord): Promise<void> {
  if (record.next === undefined) return;
  await recreate(context.files, successorFile(context, record.state), record.next.content);
}
