/** What is kept of the error of a failed attempt. */
import { fileURLToPath } from 'node:url';
import { FatalError } from '../machine/errors.ts';
import type { TickResult } from './ports.ts';

/** Of an error's message, and of its stack. */
const MOST_CHARACTERS = 10_000;
/** Where Flockwork's own code is. */
const HOME = fileURLToPath(new URL('../', import.meta.url));
const FRAME = /^ {4}at /;
const PLACE = /[\s(](?:file:\/\/)?(\/[^()\n]*|[A-Za-z]:[\\/][^()\n]*):\d+:\d+\)?$/;

/** `about`: what stands before the message. */
export function failed(error: unknown, about = ''): TickResult {
  const isError = error instanceof Error;
  // By name too: a user's module may have been loaded with another copy of this package.
  const fatal = error instanceof FatalError || (isError && error.name === 'FatalError');
  const message = isError ? error.message || error.name : `the tick threw ${show(error)}`;
  return {
    kind: 'failed',
    error: {
      message: cut(about + message),
      ...(isError && error.stack !== undefined && { stack: cut(ownFrames(error.stack)) }),
      ...(fatal && { fatal }),
    },
  };
}

/** It is kept with every attempt. */
export function cut(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}…`;
}

function show(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'what cannot be shown';
  }
}

/** Only the lines of the user's own files, if there are any. */
function ownFrames(stack: string): string {
  if (!hasOwnFrame(stack)) return stack;
  return stack
    .split('\n')
    .filter((line) => !FRAME.test(line) || isOwn(line))
    .join('\n');
}

/** Does it come from code of the user? */
export function hasOwnFrame(stack: string): boolean {
  return stack.split('\n').some((line) => FRAME.test(line) && isOwn(line));
}

/** Neither Flockwork's, nor a package's, nor Node's. */
function isOwn(frame: string): boolean {
  const path = PLACE.exec(frame)?.[1];
  return path !== undefined && !path.startsWith(HOME) && !/[\\/]node_modules[\\/]/.test(path);
}
