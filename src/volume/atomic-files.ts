/**
 * Primitives of the protocol: create a name once and whole, remove only what this session has made; and make directories that
 * the whole fleet can write.
 * All of them treat an error as "unknown", read what is there, and decide by that.
 */
import { errnoOf, isForbidden, type Files, type Sink } from './files.ts';

const decoder = new TextDecoder();
const always = (): boolean => true;

/** The content of a small file, at most `limit` + 1 bytes of it; undefined if there is none. */
export async function readText(
  files: Files,
  path: string,
  limit?: number,
): Promise<string | undefined> {
  try {
    return decoder.decode(await files.read(path, limit));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Errors of opening a directory, a symbolic link or a socket as a file. */
export const NOT_A_FILE: readonly string[] = ['EISDIR', 'ELOOP', 'ENXIO'];

/** The content of a flag; undefined if there is none, or something that is not a file (`@eaDir`, a dangling link). */
export async function readFlag(
  files: Files,
  path: string,
  limit?: number,
): Promise<string | undefined> {
  try {
    return await readText(files, path, limit);
  } catch (error) {
    if (NOT_A_FILE.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Like `readFlag`, and empty if reading is forbidden: only the name counts then, as of another program's flag. */
export async function readIfAllowed(
  files: Files,
  path: string,
  limit?: number,
): Promise<string | undefined> {
  try {
    return await readFlag(files, path, limit);
  } catch (error) {
    if (isForbidden(error)) return '';
    throw error;
  }
}

/** The names in a directory; empty if there is no such directory. */
export function listOrNone(files: Files, directory: string): Promise<string[]> {
  return listInto(files, directory, []);
}

/** Like `listOrNone`, and empty if the path is not a directory: a user may have put anything there. */
export async function listEntry(files: Files, directory: string): Promise<string[]> {
  try {
    return await listOrNone(files, directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** Like `listOrNone`, into a given sink. */
export async function listInto<Into extends Sink>(
  files: Files,
  directory: string,
  into: Into,
): Promise<Into> {
  try {
    return await files.list(directory, into);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return into;
    throw error;
  }
}

/**
 * I1, I9: links `existing` to `name`, unless that is taken. After an error the content of `name` decides, so that a lost or
 * repeated reply does no harm.
 */
export async function linkIfAbsent(
  files: Files,
  existing: string,
  name: string,
  isOurs: (content: string) => boolean,
): Promise<'ours' | 'taken'> {
  try {
    await files.link(existing, name);
    return 'ours';
  } catch (error) {
    let there: string | undefined;
    try {
      there = await readText(files, name);
    } catch (unread) {
      if (await isNoFile(files, name)) return 'taken';
      throw unread;
    }
    if (there === undefined) throw error;
    return isOurs(there) ? 'ours' : 'taken';
  }
}

/** Is there something other than a file? */
async function isNoFile(files: Files, path: string): Promise<boolean> {
  return ((await files.stat(path))?.kind ?? 'file') !== 'file';
}

/** For `linkIfAbsent`: exactly this content. */
export const equals =
  (content: string) =>
  (there: string): boolean =>
    there === content;

/** Creates a private file with `content`; replaces one left by an earlier try. */
export async function recreate(files: Files, path: string, content: string): Promise<void> {
  try {
    await files.create(path, content);
  } catch (error) {
    const there = await readText(files, path);
    if (there === content) return;
    if (there === undefined) throw error;
    await remove(files, path);
    try {
      await files.create(path, content);
    } catch (refused) {
      // A full volume leaves a partial file, and the next try uses another name.
      await remove(files, path).catch(() => undefined);
      throw refused;
    }
  }
}

interface Publishing {
  /** Called just before the link (I4). */
  readonly may?: () => boolean;
  /** False if a power failure may lose the content. */
  readonly durable?: boolean;
}

/**
 * Publishes `content` under `name`, whole and durable or not at all, through the private file
 * `temporary` (Linux refuses hard links to other users' files). `late` if `may` says no.
 */
export async function writeAtomically(
  files: Files,
  temporary: string,
  name: string,
  content: string,
  { may = always, durable = true }: Publishing = {},
): Promise<'ours' | 'taken' | 'late'> {
  await recreate(files, temporary, content);
  try {
    if (durable) await files.sync(temporary);
    return may() ? await linkIfAbsent(files, temporary, name, equals(content)) : 'late';
  } finally {
    await remove(files, temporary);
  }
}

/**
 * Replaces the content of `path` atomically, through the private file `temporary`. The content is durable; the entry is
 * once its directory is synced.
 */
export async function replaceWhole(
  files: Files,
  temporary: string,
  path: string,
  content: string,
): Promise<void> {
  await recreate(files, temporary, content);
  await files.sync(temporary);
  await files.rename(temporary, path);
}

/** Removes an entry. False if there was none. */
export async function remove(files: Files, path: string): Promise<boolean> {
  try {
    await files.unlink(path);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

/**
 * Removes an entry only if it holds `content`, and only while `may` says so, which is called after the read, as that may be
 * slow. False if it was too late.
 */
export async function removeIfContent(
  files: Files,
  path: string,
  content: string,
  may: () => boolean = always,
): Promise<boolean> {
  if ((await readText(files, path)) !== content) return true;
  if (!may()) return false;
  await remove(files, path);
  return true;
}

const STICKY = 0o1000;
const PERMISSIONS = 0o7777;

/**
 * Makes a directory with its parent's mode, whatever the umask: a fleet may run under several users, and a user who may
 * write to the volume may write to all of it. Not sticky: other users could not remove a dead worker's flag. An existing
 * directory keeps its mode, unless its maker crashed before setting it.
 */
export async function ensureDirectory(files: Files, path: string): Promise<void> {
  try {
    await files.makeDirectory(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') throw error;
    const kind = (await files.stat(path))?.kind;
    // I8: a stale cache may not show it yet.
    const isHidden = kind === undefined && code === 'EEXIST';
    if (kind !== 'directory' && !isHidden) throw error;
    return repairMode(files, path);
  }
  await files.chmod(path, await modeFor(files, path));
}

/** Adds missing permissions to an empty directory. Only its owner can; other users wait for that. */
async function repairMode(files: Files, path: string): Promise<void> {
  const wanted = await modeFor(files, path);
  const stat = await files.stat(path);
  if (stat === undefined || (wanted & ~stat.mode) === 0) return;
  if ((await listOrNone(files, path)).length > 0) return;
  await files.chmod(path, stat.mode | wanted).catch((error: unknown) => {
    if (!isForbidden(error)) throw error;
  });
}

async function modeFor(files: Files, path: string): Promise<number> {
  const parent = await files.stat(`${path.slice(0, path.lastIndexOf('/'))}/.`);
  return (parent?.mode ?? 0o755) & PERMISSIONS & ~STICKY;
}
