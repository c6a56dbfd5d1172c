/** State files that a power cut has left half on the disk. */
import { originName } from '../machine/name.ts';
import { publishedStates, parseCommitRecord, type PublishedState } from '../machine/record.ts';
import { readDoneFlag } from './archive.ts';
import { replaceWhole } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';

const decoder = new TextDecoder();

/** The follower of which `there` is left: the record of its origin has it whole. Undefined if it may be well. */
export async function tornSuccessor(
  files: Files,
  layout: Layout,
  name: string,
  there: Uint8Array,
): Promise<PublishedState | undefined> {
  const origin = originName(name);
  if (origin === undefined || isJson(there)) return undefined;
  const record = parseCommitRecord((await readDoneFlag(files, layout, origin)) ?? '', origin);
  const whole = publishedStates(record).find((one) => one.name === name);
  return whole !== undefined && isTorn(there, whole.content) ? whole : undefined;
}

/** What a state file said before a power cut, of which `there` is left. */
export async function wholeOf(
  files: Files,
  layout: Layout,
  name: string,
  there: Uint8Array,
): Promise<Uint8Array> {
  const torn = await tornSuccessor(files, layout, name, there);
  return torn === undefined ? there : new TextEncoder().encode(torn.content);
}

/** A beginning of a JSON text is none itself, though it may end like one. */
function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes a successor again, by rename: the one place that replaces a file. Only if what is `there` is a
 * beginning of it, or it with zeros, so nobody else's is lost (I9). False if it is something else.
 */
export async function repairTornWrite(
  context: SessionContext,
  next: PublishedState,
  there: Uint8Array,
): Promise<boolean> {
  // A first look may have been at what it was before somebody else mended it.
  if (decoder.decode(there) === next.content) return true;
  if (!isTorn(there, next.content)) return false;
  const { files, layout } = context;
  await context.ensureStaging();
  const temporary = context.staging(`.mended.${next.name}`);
  await replaceWhole(files, temporary, layout.state(next.name), next.content);
  await files.sync(layout.root);
  return true;
}

function isTorn(there: Uint8Array, content: string): boolean {
  const whole = new TextEncoder().encode(content);
  // As long as it should be, it is torn where it is zero: no JSON text has such a byte.
  if (there.length > whole.length) return false;
  if (there.length === whole.length && !there.includes(0)) return false;
  return there.every((byte, index) => byte === whole[index] || byte === 0);
}
