/** Where in a user's modules an error comes from, as `PATH:LINE:COLUMN`: Node tells it in several places. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const PACKAGE_FOLDER: string = new URL('..', import.meta.url).href;

/** Of what the import of `file` threw; undefined where it is not known. */
export function placeOf(error: Error, file: string): string | undefined {
  const stack = error.stack ?? '';
  const place = shownPlace(stack) ?? firstFrame(stack, PACKAGE_FOLDER);
  if (place !== undefined || !(error instanceof SyntaxError)) return place;
  // Of an error in an ES module, Node knows the place only when it prints it.
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
  return shownPlace(stripVTControlCharacters(stderr));
}

/** A text that begins with `FILE:LINE`, the line itself, and a caret below the column, which is missing at the end of a file. */
export function shownPlace(text: string): string | undefined {
  const [, file, line, indent = ''] = /^([^\n]+):(\d+)\n[^\n]*\n(?:([ \t]*)\^|\n)/.exec(text) ?? [];
  return file === undefined ? undefined : `${toPath(file)}:${line}:${indent.length + 1}`;
}

/** The first frame of a stack that is neither Node's nor in `packageFolder`. */
export function firstFrame(stack: string, packageFolder: string): string | undefined {
  for (const [, url, position] of stack.matchAll(/^ +at .*?(file:\/\/[^\s()]+?):(\d+:\d+)\)?$/gm)) {
    if (!url!.startsWith(packageFolder)) return `${toPath(url!)}:${position}`;
  }
  return undefined;
}

const toPath = (file: string): string =>
  file.startsWith('file:') ? fileURLToPath(file.replace(/[?#].*$/, '')) : file;
