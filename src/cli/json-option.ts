/** An option whose value is JSON. */
import type { Json } from '../machine/definition.ts';
import { UserError, type ErrorCode } from '../machine/errors.ts';
import { parseJson } from '../machine/json-text.ts';

/** Throws `code`, with line and column. */
export function parseJsonOption(text: string, option: string, code: ErrorCode): Json {
  const parsed = parseJson(text);
  if (parsed.ok) return parsed.value;
  const { line, column, reason } = parsed;
  throw new UserError(code, `cannot use ${option}: line ${line}, column ${column}: ${reason}`);
}
