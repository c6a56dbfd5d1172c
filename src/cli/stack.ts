/** Finds the place of an error in the user's own code. */
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import type { Attempt } from '../machine/record.ts';

/** The program's own folder: `src/`, or `dist/`. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));
const FRAME = /(?:\(|at |^)((?:file:\/\/)?\/[^()]*?):(\d+:\d+)\)?$/;

interface Place {
  /** Absolute. */
  readonly path: string;
  /** `LINE:COLUMN`. */
  readonly position: string;
}

/** Of the first stack line outside Node, this program and installed packages. */
function firstPlace(stack: string): Place | undefined {
  for (const line of stack.split('\n')) {
    const [, file, position] = FRAME.exec(line.trim()) ?? [];
    const path = file && pathOf(file);
    if (!path || path.startsWith(OWN_FOLDER) || path.includes('/node_modules/')) continue;
    return { path, position: position! };
  }
  return undefined;
}

/** Undefined for a URL that names no file here. A reloaded module has a query. */
function pathOf(file: string): string | undefined {
  if (!file.startsWith('file:')) return file;
  try {
    return fileURLToPath(file.replace(/[?#].*$/, ''));
  } catch {
    return undefined;
  }
}

/** `FILE:LINE:COLUMN` of the first stack line that is the user's own; relative to `cwd` if below it. */
export function userPlace(stack: string | undefined, cwd: string): string | undefined {
  const place = firstPlace(stack ?? '');
  if (place === undefined) return undefined;
  const shorter = relative(cwd, place.path);
  return `${shorter.startsWith('..') ? place.path : shorter}:${place.position}`;
}

/** `userPlace` of the last attempt's error. */
export function placeOfFailure(
  attempts: readonly Attempt[] | undefined,
  cwd: string,
): string | undefined {
  return userPlace(attempts?.at(-1)?.error?.stack, cwd);
}

/** `error`: what the import of `file` threw. An absolute path; undefined if the place is not known. */
export function placeOf(error: Error, file: string): string | undefined {
  const stack = error.stack ?? '';
  const shown = shownPlace(stack);
  if (shown !== undefined) return shown;
  const place = firstPlace(stack);
  if (place !== undefined) return `${place.path}:${place.position}`;
  if (!(error instanceof SyntaxError)) return undefined;
  // For a syntax error in an ES module, Node gives the place only when it prints the error.
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
  return shownPlace(stripVTControlCharacters(stderr));
}

/** Parses `FILE:LINE`, the line itself, and a caret below the column; without a caret (end of file), column 1. */
export function shownPlace(text: string): string | undefined {
  const [, file, line, indent = ''] = /^([^\n]+):(\d+)\n[^\n]*\n(?:([ \t]*)\^|\n)/.exec(text) ?? [];
  const path = file && pathOf(file);
  return path ? `${path}:${line}:${indent.length + 1}` : undefined;
}
