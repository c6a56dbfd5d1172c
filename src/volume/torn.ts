/** State files that a power cut has left half on the disk. */
import type { CommitRecord } from '../machine/record.ts';
import { replaceWhole } from './exclusive.ts';
import type { Member } from './member.ts';

const decoder = new TextDecoder();

type Successor = NonNullable<CommitRecord['next']>;

/**
 * Writes a successor again, by rename: the one place that replaces a file. Only if what is `there` is a
 * beginning of it, or it with zeros, so nobody else's is lost (I9). False if it is something else.
 */
export async function mendTorn(
  member: Member,
  next: Successor,
  there: Uint8Array,
): Promise<boolean> {
  // A first look may have been at what it was before somebody else mended it.
  if (decoder.decode(there) === next.content) return true;
  if (!isTorn(there, new TextEncoder().encode(next.content))) return false;
  const { files, layout } = member;
  await member.ensureStaging();
  const temporary = member.staging(`.mended.${next.name}`);
  await replaceWhole(files, temporary, layout.state(next.name), next.content);
  await files.sync(layout.root);
  return true;
}

function isTorn(there: Uint8Array, whole: Uint8Array): boolean {
  // As long as it should be, it is torn where it is zero: no JSON text has such a byte.
  if (there.length > whole.length) return false;
  if (there.length === whole.length && !there.includes(0)) return false;
  return there.every((byte, index) => byte === whole[index] || byte === 0);
}
