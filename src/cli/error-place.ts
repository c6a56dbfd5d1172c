/** Finds the place of an error in a user's modules, as `PATH:LINE:COLUMN`; Node reports it in several forms. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

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
