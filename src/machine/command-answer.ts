/** Parses the standard output of a command. */
import { checkAnswer, show, type Answer } from './answer.ts';
import type { Json } from './definition.ts';
import { isObject, parseJson } from './json-text.ts';

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
  const answer = answerOf(keys, following, payload);
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

function answerOf(keys: Keys, following: string | undefined, before: Json): object | undefined {
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
export function failureOf(stdout: string): CommandFailure | undefined {
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
