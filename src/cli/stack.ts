/** Where in the user's own code an error was: the one line of a stack that helps. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Attempt } from '../machine/record.ts';

/** Of the program itself: `src/`, or what it was built to. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));
const PLACE = /(?:\(|at |^)((?:file:\/\/)?\/[^()]*?):(\d+):(\d+)\)?$/;

/**
 * `FILE:LINE:COLUMN` of the first line that is in none of Node's files, of this program's or of an installed package;
 * relative to `cwd` where it is below that. Undefined where there is none.
 */
export function userPlace(stack: string | undefined, cwd: string): string | undefined {
  for (const line of (stack ?? '').split('\n')) {
    const [, file, row, column] = PLACE.exec(line.trim()) ?? [];
    if (file === undefined) continue;
    const path = pathOf(file);
    if (path === undefined || path.startsWith(OWN_FOLDER) || path.includes('/node_modules/'))
      continue;
    const shorter = relative(cwd, path);
    return `${shorter.startsWith('..') ? path : shorter}:${row}:${column}`;
  }
  return undefined;
}

function pathOf(file: string): string | undefined {
  if (!file.startsWith('file://')) return file;
  try {
    // A module may have been loaded again, under another query.
    return fileURLToPath(file.replace(/\?.*$/, ''));
  } catch {
    return undefined;
  }
}

/** Of the last of these attempts. */
export function placeOfFailure(
  attempts: readonly Attempt[] | undefined,
  cwd: string,
): string | undefined {
  return userPlace(attempts?.at(-1)?.error?.stack, cwd);
}
