/**
 * The archive: done states that have left the root and `done/`. A state whose flag is here is done, for ever and for all
 * sessions. That a flag is *not* seen here proves nothing (I8).
 */
import { readText, writeAtomically, removeIfContent } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import type { SessionContext } from './session-context.ts';

export async function isArchived(files: Files, layout: Layout, name: string): Promise<boolean> {
  try {
    return (await files.stat(layout.archivedFlag(name))) !== undefined;
  } catch (error) {
    // A user has a file called `archive`: there is no archive then.
    if (errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** Is this step done, wherever its flag is by now? */
export async function isDone(files: Files, layout: Layout, name: string): Promise<boolean> {
  const done = await files.stat(layout.flag('done', name));
  return done !== undefined || isArchived(files, layout, name);
}

/** The content of a state's done flag, wherever it is by now; undefined if none is visible. */
export async function readDoneFlag(
  files: Files,
  layout: Layout,
  name: string,
): Promise<string | undefined> {
  const text = await readText(files, layout.flag('done', name));
  if (text !== undefined || !(await isArchived(files, layout, name))) return text;
  return readText(files, layout.archivedFlag(name));
}

/** The path of a state file: in the root, or where it was moved. */
export async function findState(files: Files, layout: Layout, name: string): Promise<string> {
  const path = layout.state(name);
  const isMoved = (await files.stat(path)) === undefined && (await isArchived(files, layout, name));
  return isMoved ? layout.archivedState(name) : path;
}

/**
 * Verifies a commit against the archive. A session that was stopped so long that others recovered, committed and archived its
 * state finds `done/` free for its own flag. If the archive has another commit (`overtaken`), that flag is removed; `late` if
 * it must wait for another guard.
 */
export async function checkArchivedCommit(
  context: SessionContext,
  name: string,
  isOurs: (flag: string) => boolean,
  may: () => boolean,
): Promise<'counts' | 'overtaken' | 'late'> {
  const { files, layout } = context;
  if (!(await isArchived(files, layout, name))) return 'counts';
  const archived = await readText(files, layout.archivedFlag(name));
  if (archived === undefined || isOurs(archived)) return 'counts';
  const flag = layout.flag('done', name);
  const there = await readText(files, flag);
  if (there === undefined || !isOurs(there)) return 'overtaken';
  return (await removeIfContent(files, flag, there, may)) ? 'overtaken' : 'late';
}

/**
 * Restores the done flag of an archived state whose file is in the root again, put there by a user, or by a session that
 * resumed in the middle of publishing it. False if the phase has ended.
 */
export async function restoreDoneFlag(
  context: SessionContext,
  name: string,
  may: () => boolean,
): Promise<boolean> {
  const { files, layout } = context;
  const there = (await files.stat(layout.state(name))) !== undefined;
  if (!there || !(await isArchived(files, layout, name))) return true;
  const text = await readText(files, layout.archivedFlag(name));
  if (text === undefined) return true;
  await context.ensureStaging();
  const temporary = context.draft('again', name);
  const outcome = await writeAtomically(files, temporary, layout.flag('done', name), text, { may });
  return outcome !== 'late';
}
