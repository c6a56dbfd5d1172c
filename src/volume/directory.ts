/** Makes directories that the whole fleet can write. */
import { listOrNone } from './atomic-files.ts';
import { errnoOf, isForbidden, type Files } from './files.ts';

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
