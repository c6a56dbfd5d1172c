/** The state file's format: bounded, then parsed, then checked, with line and column for every mistake. */
import { z } from 'zod';
import type { Json } from './definition.ts';
import { isObject, locate, parseJson, type Place } from './json-text.ts';
import { instanceProblem } from './name.ts';
import { suggestion } from './suggest.ts';

export const MAX_STATE_BYTES: number = 1024 * 1024;

/** Milliseconds, and cycles. */
const MIN_COPY_PATIENCE_MS = 2000;
const COPY_PATIENCE_CYCLES = 2;

/** What does not parse counts as whole once it has stayed as it is for so long: a copy under way does not rest so. Milliseconds. */
export function copyPatience(cycle: number): number {
  return Math.max(MIN_COPY_PATIENCE_MS, COPY_PATIENCE_CYCLES * cycle);
}

/** NAME or NAME:VERSION. */
export const MACHINE_REFERENCE: RegExp = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/;

const joinedWith = (any: z.ZodType): z.ZodType =>
  z.strictObject({
    instance: z.string(),
    ended: z.string().optional().describe('The state file that it has ended with'),
    output: any.optional(),
  });

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
        .regex(MACHINE_REFERENCE, 'has to be NAME or NAME:VERSION')
        .optional()
        .describe('NAME or NAME:VERSION; without a version, the newest loaded'),
      notBefore: z.iso
        .datetime({ offset: true })
        .optional()
        .describe('ISO 8601 instant before which it is not run'),
      priority: z.int().optional().describe('Higher first; best effort'),
      since: z
        .string()
        .optional()
        .describe('Written by Flockwork: the state file that has set the timers of this state'),
      waits: z
        .boolean()
        .optional()
        .describe('Written by Flockwork: nothing runs here until an event moves the instance'),
      branch: z
        .strictObject({
          of: z.string().refine((of) => instanceProblem(of) === undefined, 'no instance'),
          name: z.string(),
          room: z.int().min(0).describe('Bytes that its output may have'),
        })
        .optional()
        .describe('Written by Flockwork: whose branch this instance is'),
      join: z
        .record(z.string(), joinedWith(any))
        .optional()
        .describe('Written by Flockwork: branches that have to end before anything runs here'),
    })
    .catchall(any);

export const stateFileSchema: z.ZodType<StateFile> = schemaWith(z.json()).meta({
  title: 'Flockwork state file',
}) as z.ZodType<StateFile>;

/** Does not go through the payload, which can be large: for what `JSON.parse` returned. */
const shallowSchema = schemaWith(z.unknown());
const shallowJoined = joinedWith(z.unknown());

/** A branch, as the join knows it. */
export interface Joined {
  readonly instance: string;
  /** The state file that it has ended with. */
  readonly ended?: string;
  readonly output?: Json;
}

/** By the branches' names. */
export type Joins = Readonly<Record<string, Joined>>;

/** One immutable snapshot of an instance. Keys that begin with `x-` are the user's own. */
export interface StateFile {
  state: string;
  payload: Json;
  machine?: string;
  notBefore?: string;
  priority?: number;
  /** The state file whose step has set the timers of this state. */
  since?: string;
  /** Its activity has answered `wait`: nothing runs until an event moves the instance. */
  waits?: boolean;
  branch?: { readonly of: string; readonly name: string; readonly room: number };
  join?: Joins;
  [extension: `x-${string}`]: Json;
}

export type ParsedStateFile =
  | { readonly ok: true; readonly file: StateFile }
  | ({ readonly ok: false; readonly code: string; readonly reason: string } & Partial<Place>);

/** Keys that users write. */
const OFFERED = ['state', 'payload', 'machine', 'notBefore', 'priority'];
const KNOWN = [...OFFERED, 'since', 'waits', 'branch', 'join'];

/** Never throws, whatever the bytes. */
export function parseStateFile(bytes: Uint8Array): ParsedStateFile {
  const refuse = (code: string, reason: string): ParsedStateFile => ({ ok: false, code, reason });
  if (bytes.length > MAX_STATE_BYTES) {
    return refuse('too-large', `larger than ${MAX_STATE_BYTES} bytes`);
  }
  const text = decodeText(bytes);
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

/** Undefined for what is not UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function checkValue(text: string, value: Json): ParsedStateFile {
  if (isObject(value)) {
    const unknown = Object.keys(value).find(
      (key) => !KNOWN.includes(key) && !key.startsWith('x-') && key !== '$schema',
    );
    if (unknown !== undefined) {
      const reason = `unknown key "${unknown}"${suggestion(unknown, OFFERED)}; your own begin with x-`;
      return { ok: false, code: 'bad-state-file', reason, ...locate(text, [unknown]) };
    }
  }
  // A branch may be called so, and zod passes over it.
  const joins = isObject(value) && isObject(value['join']) ? Object.entries(value['join']) : [];
  const [, joined] = joins.find(([branch]) => branch === '__proto__') ?? [];
  if (joined !== undefined && !shallowJoined.safeParse(joined).success) {
    const reason = '"join.__proto__": it says { "instance": …, "ended"?: …, "output"?: … }';
    return { ok: false, code: 'bad-state-file', reason, ...locate(text, ['join', '__proto__']) };
  }
  // The value itself goes on, not zod's copy: a `__proto__` in the payload is data.
  const accept = (): ParsedStateFile => ({
    ok: true,
    file: { payload: {}, ...(value as object) } as StateFile,
  });
  if (shallowSchema.safeParse(value).success) return accept();
  const checked = stateFileSchema.safeParse(value);
  if (checked.success) return accept();
  const issue = checked.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  const message = issue.message.replace('expected string, received undefined', 'it is required');
  // A key that is missing stands nowhere; the object that lacks it does.
  const place = locate(text, issue.path) ?? locate(text, issue.path.slice(0, -1));
  return { ok: false, code: 'bad-state-file', reason: where + message, ...place };
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
