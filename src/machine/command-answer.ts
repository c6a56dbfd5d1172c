/** What a command's output means. */
import { checkAnswer, show, type Answer } from './answer.ts';
import type { Json } from './definition.ts';
import { isObject, parseJson } from './json-text.ts';

/** Characters of a command's output in an error. */
const MAX_SHOWN_LENGTH = 200;

/** With one of these, what a command prints is an answer: `done` and `next` as ever, the others if they can be. */
type Keys = Readonly<Record<string, Json | undefined>>;

/** What may be in an answer. */
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
 * A command's standard output: nothing, or one JSON value. `{"next": STATE, "payload"?}`, with `"later": DELAY` too,
 * `{"wait": true, "payload"?}`, `{"fork": {NAME: {"state", …}, …}, "join": {"state", …}}` and `{"done": OUTPUT}` are answers; any other value is the payload for the configured
 * `next` state or, where there is none, the output. Nothing means: go on to the configured state with the payload as it
 * is. `"emit": [...]` goes with any answer, or alone, with what nothing means. Throws for what cannot be understood.
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
      `the command's answer has the unknown key ${unknown.join(', ')}; there are ${KEYS.join(', ')}: ${show(value)}`,
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
      throw new Error('the command answered later without a state: add "next": STATE');
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
    `cannot use what the command printed: ${parsed.reason}; it must print nothing or one JSON value, and everything ` +
      `else on standard error; for a command that prints text, set output: text or output: none: ${stdout.trim().slice(0, MAX_SHOWN_LENGTH)}`,
  );
}

export interface CommandFailure {
  readonly message: string;
  /** No further attempt can help. */
  readonly fatal?: boolean;
}

/** `{"fail": REASON, "retry"?: BOOLEAN}`, which a command may print whatever its exit status is; undefined for all else. */
export function failureOf(stdout: string): CommandFailure | undefined {
  if (!stdout.includes('"fail"')) return undefined;
  const parsed = parseJson(stdout);
  const value = parsed.ok && isObject(parsed.value) ? parsed.value : {};
  const { fail, retry = true, ...more } = value;
  if (typeof fail !== 'string') return undefined;
  if (typeof retry !== 'boolean' || Object.keys(more).length > 0) {
    const message = `the command's answer must be {"fail": REASON} or {"fail": REASON, "retry": false}, not ${show(value)}`;
    return { message, fatal: true };
  }
  const message = fail === '' ? 'the command answered that it failed, without a reason' : fail;
  return { message, ...(!retry && { fatal: true }) };
}
