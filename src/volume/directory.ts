/** Directories that the whole fleet can write. */
import { errnoOf, type Files } from './files.ts';

const STICKY = 0o1000;
const PERMISSIONS = 0o7777;

/**
 * Makes a directory with its parent's mode, whatever the umask: a fleet may run under several users, and
 * who may write to the volume may write to all of it. But not sticky: nobody could take down a dead
 * worker's flag. One that is there already is left as it is.
 */
export async function ensureDirectory(files: Files, path: string): Promise<void> {
  try {
    await files.makeDirectory(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || (await files.stat(path))?.kind !== 'directory') throw error;
    return;
  }
  const parent = await files.stat(`${path.slice(0, path.lastIndexOf('/'))}/.`);
  await files.chmod(path, (parent?.mode ?? 0o755) & PERMISSIONS & ~STICKY);
}
