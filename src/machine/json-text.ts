/** Parses JSON, and locates errors. `JSON.parse` decides what is valid; jsonc-parser finds the position. */
import { findNodeAtLocation, parseTree, visit } from 'jsonc-parser';
import { z } from 'zod';
import type { Json } from './definition.ts';
import { lazy } from './lazy.ts';

/** 1-based. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

export type ParsedJson =
  | { readonly ok: true; readonly value: Json }
  | ({ readonly ok: false; readonly reason: string } & TextPosition);

export const MAX_DEPTH = 200;

const anyJson = lazy(() => z.json());

/**
 * A part of what `JSON.parse` returned: JSON, unless a number in it is infinite. An absent value passes at once, since
 * `z.json()` would try each alternative.
 *
 * @internal
 */
export const parsedJson: () => z.ZodType<Json> = lazy(
  () =>
    z
      .unknown()
      .refine(
        (value) => value === undefined || anyJson().safeParse(value).success,
        'a number in it is too large',
      ) as z.ZodType<Json>,
);

/** True for `{ … }`, not for a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Never throws. Refuses numbers that would be altered. `__proto__` becomes an own property like any other. */
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

/** A quick test: most texts have too few brackets to nest too deep. */
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

/** The offset at which the nesting exceeds the limit. Not recursive; called before parsing. */
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

/** The offset of the first error. Stops there: the rest may nest deeper than `findTooDeep` knows and the stack allows. */
function firstMistake(text: string): number {
  let mistake = text.length;
  const onError = (_code: number, offset: number): never => {
    mistake = offset;
    throw new Error('found');
  };
  try {
    visit(text, { onError }, { disallowComments: true, allowTrailingComma: false });
  } catch {
    // Thrown by `onError`.
  }
  return mistake;
}

function placeOf(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - before.lastIndexOf('\n') };
}

/** The position of the value at `path` (of its key, if it has one) in a JSON text. */
export function locate(text: string, path: readonly PropertyKey[]): TextPosition | undefined {
  const root = parseTree(text);
  const steps = path.filter((step) => typeof step !== 'symbol');
  const node = root && findNodeAtLocation(root, steps);
  if (node === undefined) return undefined;
  const key = node.parent?.type === 'property' ? node.parent : node;
  return placeOf(text, key.offset);
}

/** Quick test: an altered number has 16 digits in a row, or an exponent of three digits. Most texts have neither. */
const SUSPECT = /\d{16}|[eE][-+]?\d{3}/;
/** Strings are matched in order to be skipped. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
const PARTS = /^-?(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/;
const MAX_SHOWN_LENGTH = 40;

/** A number in a JSON text that a double cannot represent: parsing would alter it. */
export interface AlteredNumber {
  readonly offset: number;
  readonly reason: string;
}

/**
 * The first integer that would change, or the first number that would become infinite or zero. Rounded fractions are
 * accepted. `text` is valid JSON.
 */
export function findAlteredNumber(text: string): AlteredNumber | undefined {
  if (!SUSPECT.test(text)) return undefined;
  for (const { 0: written, index } of text.matchAll(TOKEN)) {
    if (written.startsWith('"') || isKept(written)) continue;
    const shown =
      written.length <= MAX_SHOWN_LENGTH ? written : `${written.slice(0, MAX_SHOWN_LENGTH)}…`;
    const number = Number(written);
    const becomes = Number.isFinite(number) ? `would become ${number}` : 'is too large';
    return {
      offset: index,
      reason: `the number ${shown} ${becomes}; write it as text, "${shown}"`,
    };
  }
  return undefined;
}

function isKept(written: string): boolean {
  const number = Number(written);
  if (!Number.isFinite(number)) return false;
  const [, whole = '', fraction = '', exponent = '0'] = PARTS.exec(written) ?? [];
  if (number === 0) return !/[1-9]/.test(whole + fraction);
  if (fraction !== '' || exponent.startsWith('-')) return true;
  return decimal(written) === decimal(String(number));
}

/** A canonical form, equal for equal numbers. */
function decimal(written: string): string {
  const [, whole = '', fraction = '', exponent = '0'] = PARTS.exec(written) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${significant}e${power}`;
}
