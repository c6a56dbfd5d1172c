/** The state file's format: bounded, then parsed, then checked, with line and column for every mistake. */
import { z } from 'zod';
import type { Json } from './definition.ts';
import { locate, parseJson, type Place } from './json-text.ts';

export const MAX_STATE_BYTES: number = 1024 * 1024;

/** `any`: what the payload and the user's own keys may be. */
const schemaWith = (any: z.ZodType): z.ZodType =>
  z
    .object({
      $schema: z.string().optional(),
      state: z
        .string()
        .min(1)
        .describe('Where the instance is; without "machine" it names the machine too'),
      payload: any.default({}).describe('Any JSON'),
      machine: z
        .string()
        .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/, 'has to be NAME or NAME:VERSION')
        .optional()
        .describe('NAME or NAME:VERSION; without a version, the newest loaded'),
      notBefore: z.iso
        .datetime({ offset: true })
        .optional()
        .describe('ISO 8601 instant before which it is not run'),
      priority: z.int().optional().describe('Higher first; best effort'),
    })
    .catchall(any);

export const stateFileSchema: z.ZodType<StateFile> = schemaWith(z.json()).meta({
  title: 'Flockwork state file',
}) as z.ZodType<StateFile>;

/** Does not go through the payload, which can be large: for what `JSON.parse` returned. */
const shallowSchema = schemaWith(z.unknown());

/** One immutable snapshot of an instance. Keys that begin with `x-` are the user's own. */
export interface StateFile {
  state: string;
  payload: Json;
  machine?: string;
  notBefore?: string;
  priority?: number;
  [extension: `x-${string}`]: Json;
}

export type ParsedStateFile =
  | { readonly ok: true; readonly file: StateFile }
  | ({ readonly ok: false; readonly code: string; readonly reason: string } & Partial<Place>);

const KNOWN = ['state', 'payload', 'machine', 'notBefore', 'priority'];

/** Never throws, whatever the bytes. */
export function parseStateFile(bytes: Uint8Array): ParsedStateFile {
  const refuse = (code: string, reason: string): ParsedStateFile => ({ ok: false, code, reason });
  if (bytes.length > MAX_STATE_BYTES) {
    return refuse('too-large', `larger than ${MAX_STATE_BYTES} bytes`);
  }
  const text = decode(bytes);
  if (text === undefined) return refuse('not-utf8', 'not UTF-8 text');
  if (text.trim() === '') return refuse('empty', 'empty; it should say { "state": … }');
  const parsed = parseJson(text);
  if (!parsed.ok) {
    const { reason, line, column } = parsed;
    return { ok: false, code: 'bad-json', reason, line, column };
  }
  return checkValue(text, parsed.value);
}

/** Drops a byte order mark. */
const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function checkValue(text: string, value: Json): ParsedStateFile {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const unknown = Object.keys(value).find(
      (key) => !KNOWN.includes(key) && !key.startsWith('x-') && key !== '$schema',
    );
    if (unknown !== undefined) {
      const reason = `unknown key "${unknown}"; there are ${KNOWN.join(', ')}, and x-… for your own`;
      return { ok: false, code: 'bad-state-file', reason, ...locate(text, [unknown]) };
    }
  }
  // The value itself goes on, not zod's copy: a `__proto__` in the payload is data.
  const accept = (): ParsedStateFile => ({
    ok: true,
    file: { payload: {}, ...(value as object) } as StateFile,
  });
  if (shallowSchema.safeParse(value).success && isAllFinite(value)) return accept();
  const checked = stateFileSchema.safeParse(value);
  if (checked.success) return accept();
  const issue = checked.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  const message = issue.message.replace('expected string, received undefined', 'it is required');
  // A key that is missing stands nowhere; the object that lacks it does.
  const place = locate(text, issue.path) ?? locate(text, issue.path.slice(0, -1));
  return { ok: false, code: 'bad-state-file', reason: where + message, ...place };
}

/** `JSON.parse` reads 1e999 as infinite, which no JSON can say again. */
function isAllFinite(value: Json): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isAllFinite);
}

/** The same state gives the same text: indented, unless only that would make it too large to be read. */
export function formatStateFile(file: StateFile): string {
  const indented = `${JSON.stringify(file, null, 2)}\n`;
  return byteLength(indented) <= MAX_STATE_BYTES ? indented : `${JSON.stringify(file)}\n`;
}

/** In UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
