/**
 * Reads state files; any user or program may have written anything there. Torn writes, which a crash or a power cut has
 * left half on the disk, are read as they were meant, and repaired.
 */
import { MAX_STATE_BYTES, parseStateFile, type StateFile } from '../machine/state-file.ts';
import { instanceProblem, parseStateName, stepProblem, originName } from '../machine/name.ts';
import { readTried, writtenAt } from './attempts.ts';
import type { StateRead } from './operations.ts';
import { errnoOf, type Stat, type Files } from './files.ts';
import type { SessionContext } from './session-context.ts';
import { publishedStates, parseCommitRecord, type PublishedState } from '../machine/record.ts';
import { findState, readDoneFlag } from './archive.ts';
import { replaceWhole } from './atomic-files.ts';
import type { Layout } from './layout.ts';

export async function readState(context: SessionContext, name: string): Promise<StateRead> {
  const { files, layout } = context;
  const path = layout.state(name);
  const badName = instanceProblem(parseStateName(name)!.instance) ?? stepProblem(name);
  if (badName !== undefined) return { kind: 'bad', code: 'bad-name', reason: badName };
  try {
    const stat = await files.stat(path);
    if (stat === undefined) return { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' };
    const problem = refuseUnread(stat);
    if (problem !== undefined) return problem;
    const bytes = await files.read(path, Math.min(stat.size, MAX_STATE_BYTES));
    const torn = await tornSuccessor(files, layout, name, bytes);
    if (torn !== undefined && (await repairTornWrite(context, torn, bytes)))
      return { kind: 'repaired' };
    const written = writtenAt(stat);
    if (!context.attempted.has(name)) return { kind: 'text', bytes, attempts: [], written };
    const { attempts, refusedBy } = await readTried(files, layout, name);
    return { kind: 'text', bytes, attempts, refusedBy, written };
  } catch (error) {
    const code = errnoOf(error);
    // Only these are about the file; other errors are about the volume.
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ELOOP') throw error;
    return {
      kind: 'unreadable',
      code,
      reason: `it cannot be read (${code}): check its mode and owner`,
    };
  }
}

/** Reads regular files only: a FIFO blocks, a device may do anything, a symbolic link may lead to either. */
function refuseUnread(stat: Stat): StateRead | undefined {
  if (stat.kind !== 'file') {
    const what = stat.kind === 'directory' ? 'a directory' : 'a link, FIFO, socket or device';
    return {
      kind: 'bad',
      code: 'not-a-file',
      reason: `it is ${what}; only regular files are read`,
    };
  }
  if (stat.size <= MAX_STATE_BYTES) return undefined;
  return {
    kind: 'bad',
    code: 'too-large',
    reason: `it has ${stat.size} bytes; ${MAX_STATE_BYTES} are allowed`,
  };
}

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

/** The content of a state file of which a crash or a power cut has left `there`. */
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
