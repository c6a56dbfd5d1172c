/** Checks that a value is JSON, unaltered and small enough. */
import { MAX_DEPTH } from './json-text.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';

/** A payload must fit into the successor's state file, together with its other keys. */
const MAX_ANSWER_BYTES: number = MAX_STATE_BYTES - 4096;
/** A payload's nesting level in a state file. */
const PAYLOAD_LEVEL = 2;
const MAX_SHOWN_LENGTH = 200;

/** What to use instead. */
const REMEDIES: Readonly<Record<string, string>> = {
  Map: ': make it an object',
  Set: ': make it a list',
  Date: ': write toISOString()',
  Promise: ': wait for its result',
  Error: ': use its message',
  bigint: ': make it a string',
};

/**
 * Why the value cannot be part of a state file or an event: JSON cannot represent it, would alter it, or it is too large or
 * too deep; undefined if it can. `what`: its name in the message. `level`: its nesting level, 1 for a file's whole content.
 * `isTold`: true for an object that the caller serializes itself.
 */
export function jsonProblem(
  value: unknown,
  what: string,
  level: number = PAYLOAD_LEVEL,
  isTold: (part: object) => boolean = () => false,
): string | undefined {
  const problem = findProblem(value, what, level, { above: new Set(), isTold });
  if (problem !== undefined) return problem;
  return byteLength(JSON.stringify(value)) > MAX_ANSWER_BYTES
    ? `${what} is larger than ${MAX_ANSWER_BYTES} bytes`
    : undefined;
}

interface Walk {
  readonly above: Set<object>;
  readonly isTold: (part: object) => boolean;
}

function findProblem(value: unknown, path: string, level: number, walk: Walk): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `${path} is ${value}, which JSON cannot hold`;
  }
  if (typeof value !== 'object') return unsupported(path, value);
  if (walk.isTold(value)) return undefined;
  if (level > MAX_DEPTH)
    return `${path.slice(0, MAX_SHOWN_LENGTH)} is nested more than ${MAX_DEPTH} levels deep`;
  if (walk.above.has(value)) return `${path} contains itself`;
  if (!Array.isArray(value) && !isPlain(value)) return unsupported(path, value);
  walk.above.add(value);
  const problem = Array.isArray(value)
    ? findInList(value, path, level + 1, walk)
    : findInObject(value, path, level + 1, walk);
  walk.above.delete(value);
  return problem;
}

function findInList(
  list: readonly unknown[],
  path: string,
  level: number,
  walk: Walk,
): string | undefined {
  for (let index = 0; index < list.length; index += 1) {
    if (list[index] === undefined) return `${path}.${index} is undefined, which JSON cannot hold`;
    const problem = findProblem(list[index], `${path}.${index}`, level, walk);
    if (problem !== undefined) return problem;
  }
  const [named] = Object.keys(list).slice(list.length);
  return named === undefined
    ? undefined
    : `${path} is a list with ${named}, which JSON cannot hold`;
}

function findInObject(value: object, path: string, level: number, walk: Walk): string | undefined {
  for (const [key, part] of Object.entries(value)) {
    // JSON omits these.
    if (part === undefined) continue;
    const problem = findProblem(part, `${path}.${key}`, level, walk);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** `{ … }` of any realm. JSON would drop the class of other objects. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (
    prototype === null ||
    prototype === Object.prototype ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'valueOf'))
  );
}

function unsupported(path: string, value: unknown): string {
  const kind = kindOf(value);
  const article = /^[aeiou]/i.test(kind) ? 'an' : 'a';
  const remedy = value instanceof Error ? REMEDIES['Error'] : REMEDIES[kind];
  return `${path} is ${article} ${kind}, which JSON cannot hold${remedy ?? ''}`;
}

function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value;
  const { constructor } = value as { readonly constructor?: unknown };
  const name = typeof constructor === 'function' ? constructor.name : '';
  return name === '' ? 'object of a class' : name;
}
