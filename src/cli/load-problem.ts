/** Why a module cannot be loaded, and where: `FILE:LINE:COLUMN: reason`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripTypes } from './strip-types.ts';

/** What Node puts before the stack of an error of syntax: the place, the line, and a mark below it. */
const HEAD = /^(file:\/\/[^\n]+|\/[^\n]+):(\d+)\n[^]*?\n( *)\^+\n/;
const FRAME = /^ {4}at (?:.*\()?(file:\/\/[^\n]*?):(\d+:\d+)\)?$/m;

export function loadProblem(file: string, error: unknown): string {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  const place = headPlace(stack) ?? syntaxPlace(file, error) ?? framePlace(stack);
  return place === undefined ? `${file} cannot be loaded: ${message}` : `${place}: ${message}`;
}

function headPlace(stack: string): string | undefined {
  const [, path, line, before] = HEAD.exec(stack) ?? [];
  return path === undefined ? undefined : `${plain(path)}:${line}:${before!.length + 1}`;
}

/** Of JavaScript, Node does not say where; the parser for TypeScript does. */
function syntaxPlace(file: string, error: unknown): string | undefined {
  if (!(error instanceof SyntaxError)) return undefined;
  try {
    stripTypes(readFileSync(file, 'utf8'));
    return undefined;
  } catch (problem) {
    const [, line, before] =
      /^[^\n]*:(\d+)\n[^]*?\n( *)\^+\n/.exec((problem as Error).stack ?? '') ?? [];
    return line === undefined ? undefined : `${file}:${line}:${before!.length + 1}`;
  }
}

function framePlace(stack: string): string | undefined {
  const [, path, place] = FRAME.exec(stack) ?? [];
  return path === undefined || path.includes('/node_modules/')
    ? undefined
    : `${plain(path)}:${place}`;
}

/** Without the query of a version that is loaded anew. */
function plain(path: string): string {
  return path.startsWith('file:') ? fileURLToPath(new URL(path)) : path;
}
