/** Finds the place of an error in the user's own code. */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Attempt } from '../machine/record.ts';
import { spawnSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';

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

const PACKAGE_FOLDER: string = new URL('..', import.meta.url).href;

/** `error`: what the import of `file` threw. Undefined if the place is not known. */
export function placeOf(error: Error, file: string): string | undefined {
  const stack = error.stack ?? '';
  const place = shownPlace(stack) ?? firstFrame(stack, PACKAGE_FOLDER);
  if (place !== undefined || !(error instanceof SyntaxError)) return place;
  // For a syntax error in an ES module, Node gives the place only when it prints the error.
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
  return shownPlace(stripVTControlCharacters(stderr));
}

/** Parses `FILE:LINE`, the line itself, and a caret below the column; without a caret (end of file), column 1. */
export function shownPlace(text: string): string | undefined {
  const [, file, line, indent = ''] = /^([^\n]+):(\d+)\n[^\n]*\n(?:([ \t]*)\^|\n)/.exec(text) ?? [];
  return file === undefined ? undefined : `${toPath(file)}:${line}:${indent.length + 1}`;
}

/** The first stack frame of a file outside Node and `packageFolder`. */
export function firstFrame(stack: string, packageFolder: string): string | undefined {
  for (const [, url, position] of stack.matchAll(/^ +at .*?(file:\/\/[^\s()]+?):(\d+:\d+)\)?$/gm)) {
    if (!url!.startsWith(packageFolder)) return `${toPath(url!)}:${position}`;
  }
  return undefined;
}

const toPath = (file: string): string =>
  file.startsWith('file:') ? fileURLToPath(file.replace(/[?#].*$/, '')) : file;
