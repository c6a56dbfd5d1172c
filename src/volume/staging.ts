/**
 * What a session stages: records, many to a file, each under its state's name, and successors beside them.
 * One file to write and to sync for a whole burst; `done/` gets further names of it.
 */
import { formatRecord, type CommitRecord } from '../machine/record.ts';
import { createAnew, remove, replaceWhole } from './exclusive.ts';
import { errnoOf } from './files.ts';
import type { Member } from './member.ts';

/** Bytes of one file: whoever looks for one record in it reads all of it. */
const BUNDLE_BYTES = 32 * 1024;

/** A successor waits under a dot name beside the staged record: the sweep looks at records only. */
export const successorFile = (member: Member, name: string): string => member.staging(`.${name}`);

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

/** After a failed fsync nobody knows what is on the disk: the next try writes a new file. */
export async function stageBundle(member: Member, records: readonly CommitRecord[]): Promise<void> {
  const { files } = member;
  const [first, ...others] = records.map(({ state }) => member.staging(state));
  await createAnew(files, first!, records.map(formatRecord).join(''));
  try {
    await files.sync(first!);
    for (const other of others) await linkAnew(member, first!, other);
  } catch (error) {
    for (const path of [first!, ...others]) await remove(files, path);
    throw error;
  }
}

/**
 * In place of what is staged of it. By rename, so that it is staged at every moment: the commit may have
 * happened all the same.
 */
export async function stageAlone(member: Member, record: CommitRecord): Promise<void> {
  const { files } = member;
  const temporary = member.staging(`.alone.${record.state}`);
  await replaceWhole(files, temporary, member.staging(record.state), formatRecord(record));
  await files.sync(member.staging());
}

/** A private name; one left there by an earlier try is replaced. */
async function linkAnew(member: Member, existing: string, path: string): Promise<void> {
  const { files } = member;
  try {
    await files.link(existing, path);
  } catch (error) {
    if (member.meetsBundleLimit(error) || errnoOf(error) === 'ENOENT') throw error;
    await remove(files, path);
    await files.link(existing, path);
  }
}

/** Not synced: should the power take its content, it is written again from its parent's record. */
export async function stageSuccessor(member: Member, record: CommitRecord): Promise<void> {
  if (record.next === undefined) return;
  await createAnew(member.files, successorFile(member, record.state), record.next.content);
}
