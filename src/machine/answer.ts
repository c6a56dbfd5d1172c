/** What a tick may answer, and what a command's output means. */
import type { Json } from './definition.ts';
import { MAX_DEPTH } from './json-text.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';

export type Answer =
  | { readonly kind: 'done'; readonly output?: Json }
  | { readonly kind: 'next'; readonly state: string; readonly payload?: Json };

/** The instance is at its end; `output` is kept in the commit record. */
export function done(output?: Json): Answer {
  return output === undefined ? { kind: 'done' } : { kind: 'done', output };
}

/** The instance goes on in `state`; without a `payload`, with the one it has. */
export function next(state: string, payload?: Json): Answer {
  return payload === undefined ? { kind: 'next', state } : { kind: 'next', state, payload };
}

/** A payload has to fit into the successor's state file, along with its other keys and one level down. */
const MAX_ANSWER_BYTES = MAX_STATE_BYTES - 4096;
const OUTERMOST_LEVEL = 2;
const SHOWN = 200;

/** What a user's tick returned, if it is an answer. Throws an Error that says what it is instead. */
export function checkAnswer(value: unknown): Answer {
  const answer = value as { kind?: unknown; state?: unknown; output?: unknown; payload?: unknown };
  if (answer?.kind === 'done') {
    return answer.output === undefined ? done() : done(checkJson(answer.output, 'output'));
  }
  if (answer?.kind === 'next' && typeof answer.state === 'string' && answer.state !== '') {
    const { state, payload } = answer;
    return payload === undefined ? next(state) : next(state, checkJson(payload, 'payload'));
  }
  throw new Error(
    `the tick answered ${show(value)}; return done(output?) or next(state, payload?)`,
  );
}

function show(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // A cycle, or a BigInt.
  }
  return (text ?? String(value)).slice(0, SHOWN);
}

/** A copy that JSON can hold, whole. */
function checkJson(value: unknown, what: string): Json {
  const problem = findProblem(value, what, OUTERMOST_LEVEL, new Set());
  if (problem !== undefined) throw new Error(`the tick's ${problem}`);
  const text = JSON.stringify(value);
  if (byteLength(text) > MAX_ANSWER_BYTES) {
    throw new Error(`the tick's ${what} is larger than ${MAX_ANSWER_BYTES} bytes`);
  }
  return JSON.parse(text) as Json;
}

function findProblem(
  value: unknown,
  path: string,
  level: number,
  above: Set<object>,
): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `${path} is ${value}, which JSON cannot hold`;
  }
  if (typeof value !== 'object') return `${path} is a ${typeof value}, which JSON cannot hold`;
  if (level > MAX_DEPTH)
    return `${path.slice(0, SHOWN)} is nested more than ${MAX_DEPTH} levels deep`;
  if (above.has(value)) return `${path} contains itself`;
  above.add(value);
  for (const [key, part] of Object.entries(value)) {
    // JSON leaves these out, as everybody knows.
    if (part === undefined && !Array.isArray(value)) continue;
    const problem = findProblem(part, `${path}.${key}`, level + 1, above);
    if (problem !== undefined) return problem;
  }
  above.delete(value);
  return undefined;
}

/**
 * A command's standard output: nothing, or one JSON value. `{"next": STATE, "payload"?}` and
 * `{"done": OUTPUT}` are answers; any other value is the payload for the configured `next` state or, where
 * there is none, the output. Nothing means: go on to the configured state with the payload as it is.
 */
export function commandAnswer(
  stdout: string,
  following: string | undefined,
  payload: Json,
): Answer {
  if (stdout.trim() === '') return following === undefined ? done() : next(following, payload);
  let value: Json;
  try {
    value = JSON.parse(stdout) as Json;
  } catch {
    throw new Error(
      `the command printed what is not JSON; it should print nothing or one JSON value, ` +
        `and say everything else on standard error: ${stdout.trim().slice(0, SHOWN)}`,
    );
  }
  const keys = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  if (typeof keys['next'] === 'string') {
    const { next: state, payload: own = payload } = keys;
    return checkAnswer(next(state, own));
  }
  if ('done' in keys) return checkAnswer(done(keys['done']));
  return checkAnswer(following === undefined ? done(value) : next(following, value));
}
