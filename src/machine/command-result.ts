/** Turns the end of a command, and what it printed, into an answer, or into a failed attempt, retryable or not. */
import { checkAnswer, show, type Answer } from './answer.ts';
import type { Json, RunnableActivity } from './definition.ts';
import { decodeText } from './state-file.ts';
import { isObject, parseJson } from './json-text.ts';

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

/** Of a command's output in an error. */
const MAX_SHOWN_LENGTH = 200;

/** Printed JSON with `done`, a `next`, or a well-formed other key is an answer. */
type Keys = Readonly<Record<string, Json | undefined>>;

/** Keys of an answer. */
const KEYS: readonly string[] = [
  'next',
  'later',
  'payload',
  'done',
  'wait',
  'fork',
  'join',
  'emit',
];

/**
 * The answer that standard output stands for: it is empty, or one JSON value.
 * Answers are `{"next": STATE, "payload"?, "later"?: DELAY}`, `{"wait": true, "payload"?}`, `{"done": OUTPUT}` and
 * `{"fork": {NAME: {"state", …}, …}, "join": {"state", …}}`. Any other value is the payload for the configured `next` state
 * or, without one, the output. Empty output continues in the configured state with the payload unchanged, or ends.
 * `"emit": [...]` may be added to an answer; alone it means the same as empty output. Throws an Error if it is invalid.
 */
export function commandAnswer(
  stdout: string,
  following: string | undefined,
  payload: Json,
): Answer {
  const onward = (payloadThen: Json): object =>
    following === undefined
      ? { kind: 'done' }
      : { kind: 'next', state: following, payload: payloadThen };
  if (stdout.trim() === '') return checkAnswer(onward(payload));
  const value = parse(stdout);
  const keys: Keys = isObject(value) ? value : {};
  const answer = answerIn(keys, following, payload);
  if (answer === undefined && !Array.isArray(keys['emit'])) {
    return checkAnswer(following === undefined ? { kind: 'done', output: value } : onward(value));
  }
  const unknown = Object.keys(keys).filter((key) => !KEYS.includes(key));
  if (unknown.length > 0) {
    throw new Error(
      `the command's answer has the unknown key ${unknown.join(', ')}, expected ${KEYS.join(', ')}: ${show(value)}`,
    );
  }
  const { payload: payloadThen = payload, emit } = keys;
  return checkAnswer({ ...(answer ?? onward(payloadThen)), emit });
}

function answerIn(keys: Keys, following: string | undefined, before: Json): object | undefined {
  const { next: state = following, later: delay, payload = before } = keys;
  const isDelay = typeof delay === 'string' || typeof delay === 'number';
  if (typeof keys['next'] === 'string' || isDelay) {
    if (state === undefined) {
      throw new Error('the command\'s answer has "later" without a state; add "next": STATE');
    }
    return { kind: 'next', state, payload, ...(isDelay && { delay }) };
  }
  if (keys['wait'] === true) return { kind: 'wait', payload };
  const { fork: branches, join } = keys;
  if (isObject(branches) && isObject(join)) return { kind: 'fork', branches, join };
  return 'done' in keys ? { kind: 'done', output: keys['done'] } : undefined;
}

function parse(stdout: string): Json {
  const parsed = parseJson(stdout);
  if (parsed.ok) return parsed.value;
  throw new Error(
    `cannot use the command's output: ${parsed.reason}; print nothing or one JSON value, and everything else on ` +
      `standard error; for a command that prints text, set output: text or output: none: ${stdout.trim().slice(0, MAX_SHOWN_LENGTH)}`,
  );
}

export interface CommandFailure {
  readonly message: string;
  /** Not to be retried. */
  readonly fatal?: boolean;
}

/** `{"fail": REASON, "retry"?: BOOLEAN}`, which a command may print with any exit status; undefined for other output. */
function failureOf(stdout: string): CommandFailure | undefined {
  if (!stdout.includes('"fail"')) return undefined;
  const parsed = parseJson(stdout);
  const value = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const { fail, retry = true, ...more } = value;
  if (typeof fail !== 'string') return undefined;
  if (typeof retry !== 'boolean' || Object.keys(more).length > 0) {
    const message = `the command's answer must be {"fail": REASON} or {"fail": REASON, "retry": false}, got ${show(value)}`;
    return { message, fatal: true };
  }
  const message = fail === '' ? 'the command failed without a reason' : fail;
  return { message, ...(!retry && { fatal: true }) };
}
