/** Finds the place of an error in the user's own code. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Attempt } from '../machine/record.ts';

/** The program's own folder: `src/`, or `dist/`. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));
const PLACE = /(?:\(|at |^)((?:file:\/\/)?\/[^()]*?):(\d+):(\d+)\)?$/;

/**
 * `FILE:LINE:COLUMN` of the first stack line outside Node, this program and installed packages; relative to `cwd` if below
 * it. Undefined if there is none.
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
    // A reloaded module has a query.
    return fileURLToPath(file.replace(/\?.*$/, ''));
  } catch {
    return undefined;
  }
}

/** `userPlace` of the last attempt's error. */
export function placeOfFailure(
  attempts: readonly Attempt[] | undefined,
  cwd: string,
): string | undefined {
  return userPlace(attempts?.at(-1)?.error?.stack, cwd);
}
