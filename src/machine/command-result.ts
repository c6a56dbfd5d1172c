/** Turns the end of a command into an answer, or into a failed attempt, retryable or not. */
import type { Answer } from './answer.ts';
import { commandAnswer, failureOf, type CommandFailure } from './command-answer.ts';
import type { Json, RunnableActivity } from './definition.ts';
import { decodeText } from './state-file.ts';

type Command = Extract<RunnableActivity, { kind: 'command' }>;

/** Of a command's standard output. */
export const MAX_OUTPUT_BYTES: number = 1024 * 1024;

/** Characters: it is kept with every attempt. */
const MAX_REASON_LENGTH = 10_000;

/** How a command ended, and its output. */
export interface CommandEnd {
  /** Null if a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** Standard output, cut at `MAX_OUTPUT_BYTES`. */
  readonly stdout: Uint8Array;
  readonly isTooMuch: boolean;
  /** The last lines of standard error. */
  readonly lastLines: readonly string[];
}

export type CommandResult =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'failed'; readonly error: CommandFailure };

/** Exit statuses of a shell that cannot run the command line; not retried. */
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

/** An invalid answer is not retried: it would be the same again, and the command's side effects would be repeated. */
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

/** `output: text` is the instance's output in a last step, and ignored where a `next` state follows. */
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
