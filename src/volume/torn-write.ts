/** Torn writes: state files that a power cut has left half on the disk. They are read as they were meant, and repaired. */
import { originName } from '../machine/name.ts';
import { publishedStates, parseCommitRecord, type PublishedState } from '../machine/record.ts';
import { MAX_STATE_BYTES, parseStateFile, type StateFile } from '../machine/state-file.ts';
import { findState, readDoneFlag } from './archive.ts';
import { replaceWhole } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';

const decoder = new TextDecoder();

/** The published state of which `there` is a torn write, from its origin's record. Undefined if `there` may be complete. */
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

/** The content of a state file before a power cut left `there`. */
export async function wholeOf(
  files: Files,
  layout: Layout,
  name: string,
  there: Uint8Array,
): Promise<Uint8Array> {
  const torn = await tornSuccessor(files, layout, name, there);
  return torn === undefined ? there : new TextEncoder().encode(torn.content);
}

/**
 * A state file, in the root or in the archive, as it will be once a torn write is repaired. Undefined if there is none, or it
 * does not parse.
 */
export async function readStateFile(
  files: Files,
  layout: Layout,
  name: string,
): Promise<StateFile | undefined> {
  const path = await findState(files, layout, name);
  const stat = await files.stat(path);
  if (stat?.kind !== 'file' || stat.size > MAX_STATE_BYTES) return undefined;
  const parsed = parseStateFile(await wholeOf(files, layout, name, await files.read(path)));
  return parsed.ok ? parsed.file : undefined;
}

/** A prefix of a JSON object is not JSON itself. */
function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes a successor again, by rename: the only place that replaces a file. Only if `there` is a prefix of it, perhaps with
 * zeros, so that no other file is lost (I9). False if it is something else.
 */
export async function repairTornWrite(
  context: SessionContext,
  next: PublishedState,
  there: Uint8Array,
): Promise<boolean> {
  // `there` may have been read again after another session repaired it.
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
  // At full length it is torn if it has zeros: no JSON text has such a byte.
  if (there.length > whole.length) return false;
  if (there.length === whole.length && !there.includes(0)) return false;
  return there.every((byte, index) => byte === whole[index] || byte === 0);
}
