/** JSON with the place of every mistake. `JSON.parse` decides; jsonc-parser says where. */
import { findNodeAtLocation, parseTree, visit } from 'jsonc-parser';
import { z } from 'zod';
import type { Json } from './definition.ts';
import { findAlteredNumber } from './exact-number.ts';

/** 1-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export type ParsedJson =
  | { readonly ok: true; readonly value: Json }
  | ({ readonly ok: false; readonly reason: string } & Place);

export const MAX_DEPTH = 200;

const anyJson = z.json();

/**
 * A part of what `JSON.parse` returned: JSON, unless a number in it is larger than any. Where it is not there nothing is
 * looked at; `z.json()` would try all that it might be.
 */
export const parsedJson: z.ZodType<Json> = z
  .unknown()
  .refine(
    (value) => value === undefined || anyJson.safeParse(value).success,
    'a number in it is too large',
  ) as z.ZodType<Json>;

/** `{ … }`, as JSON has it: a list is none. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Never throws, and alters no number. `__proto__` is data: an own property like any other. */
export function parseJson(text: string): ParsedJson {
  const tooDeep = hasManyBrackets(text) ? findTooDeep(text) : undefined;
  if (tooDeep !== undefined) {
    const reason = `nested more than ${MAX_DEPTH} levels deep`;
    return { ok: false, reason, ...placeOf(text, tooDeep) };
  }
  try {
    const value = JSON.parse(text) as Json;
    const altered = findAlteredNumber(text);
    if (altered === undefined) return { ok: true, value };
    return { ok: false, reason: altered.reason, ...placeOf(text, altered.offset) };
  } catch (error) {
    const reason = `not JSON: ${(error as Error).message.replace(/ \(line \d+ column \d+\)$/, '')}`;
    const position = /at position (\d+)/.exec(reason)?.[1];
    const offset = position === undefined ? firstMistake(text) : Number(position);
    return { ok: false, reason: reason.replace(/ at position \d+$/, ''), ...placeOf(text, offset) };
  }
}

/** Who does not have that many cannot nest so deep: most texts need no further look. */
function hasManyBrackets(text: string): boolean {
  if (text.length <= MAX_DEPTH) return false;
  let count = 0;
  for (const bracket of '{[') {
    let index = text.indexOf(bracket);
    while (index !== -1 && count <= MAX_DEPTH) {
      count += 1;
      index = text.indexOf(bracket, index + 1);
    }
  }
  return count > MAX_DEPTH;
}

/** Before parsing, and without recursion: where the nesting passes the limit. */
function findTooDeep(text: string): number | undefined {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (inString) {
      if (character === '\\') index += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') {
      depth += 1;
      if (depth > MAX_DEPTH) return index;
    } else if (character === '}' || character === ']') depth -= 1;
  }
  return undefined;
}

/** Ends there: what follows a mistake may nest deeper than `findTooDeep` could tell, and than a stack holds. */
function firstMistake(text: string): number {
  let mistake = text.length;
  const onError = (_code: number, offset: number): never => {
    mistake = offset;
    throw new Error('found');
  };
  try {
    visit(text, { onError }, { disallowComments: true, allowTrailingComma: false });
  } catch {
    // Found.
  }
  return mistake;
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - before.lastIndexOf('\n') };
}

/** Where the value at `path` (its key, if it has one) stands in a JSON text. */
export function locate(text: string, path: readonly PropertyKey[]): Place | undefined {
  const root = parseTree(text);
  const steps = path.filter((step) => typeof step !== 'symbol');
  const node = root && findNodeAtLocation(root, steps);
  if (node === undefined) return undefined;
  const key = node.parent?.type === 'property' ? node.parent : node;
  return placeOf(text, key.offset);
}
