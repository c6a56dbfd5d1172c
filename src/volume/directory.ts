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
    const code = errnoOf(error);
    if (code === 'ENOENT') throw error;
    const kind = (await files.stat(path))?.kind;
    // I8: a cache that does not show it yet says nothing against its being there.
    const isHidden = kind === undefined && code === 'EEXIST';
    if (kind !== 'directory' && !isHidden) throw error;
    return;
  }
  const parent = await files.stat(`${path.slice(0, path.lastIndexOf('/'))}/.`);
  await files.chmod(path, (parent?.mode ?? 0o755) & PERMISSIONS & ~STICKY);
}
