/** What it means for a step that its command has ended: an answer, a failed attempt, or one that no retry can help. */
import type { Answer } from './answer.ts';
import { commandAnswer, failureOf, type CommandFailure } from './command-answer.ts';
import type { Json, RunnableActivity } from './definition.ts';
import { decodeText } from './state-file.ts';

type Command = Extract<RunnableActivity, { kind: 'command' }>;

/** At most, of what a command prints on standard output. */
export const MAX_OUTPUT_BYTES: number = 1024 * 1024;

/** Characters: it is kept with every attempt. */
const MAX_REASON_LENGTH = 10_000;

/** How a command ended, and what it said. */
export interface CommandEnd {
  /** Null if a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Standard output; of more than `MAX_OUTPUT_BYTES`, its beginning. */
  readonly stdout: Uint8Array;
  readonly isTooMuch: boolean;
  /** The last lines of standard error. */
  readonly lastLines: readonly string[];
}

export type CommandResult =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly error: CommandFailure };

/** What a shell says of a command line that it cannot run at all: no further attempt changes that. */
const CANNOT_RUN: Readonly<Record<number, string>> = {
  126: 'found, but not executable',
  127: 'command not found',
};

export function commandResult(
  end: CommandEnd,
  command: Pick<Command, 'next' | 'output' | 'retry'>,
  payload: Json,
): CommandResult {
  const failed = (message: string, fatal: boolean): CommandResult => ({
    kind: 'failed',
    error: { message, ...(fatal && { fatal }) },
  });
  if (end.isTooMuch) {
    return failed(
      `the command printed more than ${MAX_OUTPUT_BYTES} bytes; write large results to a file and print its path, or set output: none`,
      true,
    );
  }
  const text = decodeText(end.stdout);
  const said = command.output === 'json' && text !== undefined ? failureOf(text) : undefined;
  if (end.status !== 0) {
    if (said !== undefined) return failedBy(said);
    return failed([describeEnd(end), ...end.lastLines].join('\n'), isHopeless(end, command));
  }
  if (command.output === 'none') return answerOf('', command, payload);
  if (text === undefined) {
    return failed('the command printed bytes that are not UTF-8; print UTF-8 text', true);
  }
  return said === undefined ? answerOf(text, command, payload) : failedBy(said);
}

function failedBy({ message, ...more }: CommandFailure): CommandResult {
  return { kind: 'failed', error: { message: message.slice(0, MAX_REASON_LENGTH), ...more } };
}

/** An answer that cannot be understood would be the same again, and what the command did would be done again. */
function answerOf(
  text: string,
  { next, output }: Pick<Command, 'next' | 'output'>,
  payload: Json,
): CommandResult {
  try {
    const printed = output === 'text' ? asOutput(text, next) : text;
    return { kind: 'answer', answer: commandAnswer(printed, next, payload) };
  } catch (error) {
    return { kind: 'failed', error: { message: (error as Error).message, fatal: true } };
  }
}

/** The output of a last step; with a state to go on to, the text was for the log. */
function asOutput(text: string, next: string | undefined): string {
  if (next !== undefined || text === '') return '';
  return JSON.stringify({ done: text.replace(/\r?\n$/, '') });
}

function isHopeless({ status }: CommandEnd, { retry }: Pick<Command, 'retry'>): boolean {
  if (status === null) return false;
  return (
    CANNOT_RUN[status] !== undefined || retry.nonRetryableExitStatuses?.includes(status) === true
  );
}

function describeEnd({ status, signal }: CommandEnd): string {
  if (status === null) return `the command was killed by ${signal}`;
  const why = CANNOT_RUN[status];
  const exited = `the command exited with status ${status}`;
  return why === undefined ? exited : `${exited} (${why}), which is not retried`;
}
