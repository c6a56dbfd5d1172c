/**
 * The primitives the protocol rests on: make a name once, whole, and take away only what is ours.
 * All of them treat an error as "unknown", look at what is there, and decide from that.
 */
import { errnoOf, isKept, type Files, type Sink } from './files.ts';

const decoder = new TextDecoder();
const always = (): boolean => true;

/** The content of a small file of ours, or its first `limit` bytes and one more; undefined where there is none. */
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

/** What a directory, a symbolic link or a socket says to whoever opens it as a file. */
export const NO_FILE: readonly string[] = ['EISDIR', 'ELOOP', 'ENXIO'];

/** The content of a flag; undefined where there is none, or something that is no file (`@eaDir`, a dangling link). */
export async function readFlag(
  files: Files,
  path: string,
  limit?: number,
): Promise<string | undefined> {
  try {
    return await readText(files, path, limit);
  } catch (error) {
    if (NO_FILE.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** The same, and empty where it may not be read: as another program's flag, of which only the name is known. */
export async function readIfAllowed(
  files: Files,
  path: string,
  limit?: number,
): Promise<string | undefined> {
  try {
    return await readFlag(files, path, limit);
  } catch (error) {
    if (isKept(error)) return '';
    throw error;
  }
}

/** The names in a directory; none where there is no such directory. */
export function listOrNone(files: Files, directory: string): Promise<string[]> {
  return listInto(files, directory, []);
}

/** The same of a directory that is itself an entry of one of ours: whatever else has been put there has none. */
export async function listEntry(files: Files, directory: string): Promise<string[]> {
  try {
    return await listOrNone(files, directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** The same, to where they shall go. */
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
 * I1, I9: gives `existing` the further name `name`, unless that is taken. After an error the entry itself
 * tells: this content is ours, be the reply lost or repeated.
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

/** Is there something that cannot be read, as a directory? */
export async function isNoFile(files: Files, path: string): Promise<boolean> {
  return ((await files.stat(path))?.kind ?? 'file') !== 'file';
}

/** For `linkIfAbsent`: nothing but this. */
export const equals =
  (content: string) =>
  (there: string): boolean =>
    there === content;

/** Creates a private file with `content`; one left there by an earlier try is replaced. */
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
      // A full volume leaves the name with a part of the content, and whoever tries again takes another name.
      await remove(files, path).catch(() => undefined);
      throw refused;
    }
  }
}

interface Publishing {
  /** Asked just before the one step that counts (I4). */
  readonly may?: () => boolean;
  /** False for what a power cut may take. */
  readonly durable?: boolean;
}

/**
 * Publishes `content` under `name`, whole and durable or not at all, by way of the private file
 * `temporary`. Link only files you made: Linux refuses hard links to other people's. `late` if it may not.
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
 * Puts `content` in the place of what `path` holds, whole and durable, by way of the private file `temporary`: at
 * every moment there is one or the other. The entry is durable once its directory is synced.
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

/** Removes an entry; one that is not there (any more) is as good. Returns whether it was. */
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
 * Removes an entry only if it holds `content`, and only while `may` says so: it is asked after the look,
 * which may take its time. False if it came too late for that.
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
