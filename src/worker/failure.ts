/** The part of a failed attempt's error that is stored with the attempt. */
import { fileURLToPath } from 'node:url';
import { FatalError } from '../machine/errors.ts';
import type { TickResult } from './ports.ts';

/** Of an error's message, and of its stack. */
const MAX_CHARACTERS = 10_000;
/** The folder of Flockwork's own code. */
const OWN_FOLDER = fileURLToPath(new URL('../', import.meta.url));
const STACK_FRAME = /^ {4}at /;
const FRAME_PATH = /[\s(](?:file:\/\/)?(\/[^()\n]*|[A-Za-z]:[\\/][^()\n]*):\d+:\d+\)?$/;

/** `about`: a prefix of the message. */
export function failed(error: unknown, about = ''): TickResult {
  const isError = error instanceof Error;
  // By name too: a user's module may have been loaded with another copy of this package.
  const fatal = error instanceof FatalError || (isError && error.name === 'FatalError');
  const message = isError ? error.message || error.name : `the tick threw ${show(error)}`;
  return {
    kind: 'failed',
    error: {
      message: truncate(about + message),
      ...(isError && error.stack !== undefined && { stack: truncate(userFrames(error.stack)) }),
      ...(fatal && { fatal }),
    },
  };
}

export function truncate(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

function show(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** Keeps only the lines of the user's own files, if there are any. */
function userFrames(stack: string): string {
  if (!hasUserFrame(stack)) return stack;
  return stack
    .split('\n')
    .filter((line) => !STACK_FRAME.test(line) || isUserFrame(line))
    .join('\n');
}

/** True if a line of the stack is in the user's own files. */
export function hasUserFrame(stack: string): boolean {
  return stack.split('\n').some((line) => STACK_FRAME.test(line) && isUserFrame(line));
}

/** Neither in Flockwork, nor in a package, nor in Node. */
function isUserFrame(frame: string): boolean {
  const path = FRAME_PATH.exec(frame)?.[1];
  return path !== undefined && !path.startsWith(OWN_FOLDER) && !/[\\/]node_modules[\\/]/.test(path);
}
