/** The format of state files: size limit, parsing, validation with line and column, and the file of a successor. */
import { z } from 'zod';
import type { Json } from './definition.ts';
import { isObject, locate, parseJson, type TextPosition } from './json-text.ts';
import { instanceProblem } from './name.ts';
import { suggestion } from './errors.ts';
import { lazy } from './lazy.ts';

export const MAX_STATE_BYTES: number = 1024 * 1024;

const MIN_COPY_PATIENCE_MS = 2000;
const COPY_PATIENCE_CYCLES = 2;

/** A file that does not parse counts as complete, not as a copy in progress, once unchanged for so long. Milliseconds. */
export function copyPatience(cycle: number): number {
  return Math.max(MIN_COPY_PATIENCE_MS, COPY_PATIENCE_CYCLES * cycle);
}

/** NAME or NAME:VERSION. */
export const MACHINE_REFERENCE: RegExp = /^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$/;

const joinedWith = (any: z.ZodType): z.ZodType =>
  z.strictObject({
    instance: z.string(),
    ended: z.string().optional().describe('The state file that the branch has ended with'),
    output: any.optional(),
  });

/** `any`: schema of the payload and of the user's own keys. */
const schemaWith = (any: z.ZodType): z.ZodType =>
  z
    .object({
      $schema: z.string().optional(),
      state: z
        .string()
        .min(1)
        .describe('State of the instance; without "machine" also the name of the machine'),
      payload: any.default({}).describe('Any JSON'),
      machine: z
        .string()
        .regex(MACHINE_REFERENCE, 'must be NAME or NAME:VERSION')
        .optional()
        .describe('NAME or NAME:VERSION; without a version, the newest loaded'),
      notBefore: z.iso
        .datetime({ offset: true })
        .optional()
        .describe('ISO 8601 instant before which the state is not run'),
      priority: z.int().optional().describe('Higher first; best effort'),
      since: z
        .string()
        .optional()
        .describe('Written by Flockwork: the state file that set the timers of this state'),
      waits: z
        .boolean()
        .optional()
        .describe('Written by Flockwork: no tick runs until an event moves the instance'),
      hook: z
        .strictObject({
          run: z.string().describe('Name of the activity'),
          from: z.string(),
          event: z.string(),
          details: any.optional(),
        })
        .optional()
        .describe(
          'Written by Flockwork: the transition after which an activity runs before the next event',
        ),
      branch: z
        .strictObject({
          of: z.string().refine((of) => instanceProblem(of) === undefined, 'not a valid instance'),
          name: z.string(),
          room: z.int().min(0).describe('Maximum size of its output in bytes'),
        })
        .optional()
        .describe('Written by Flockwork: the fork that this instance is a branch of'),
      join: z
        .record(z.string(), joinedWith(any))
        .optional()
        .describe('Written by Flockwork: branches that must end before a tick runs'),
    })
    .catchall(any);

/** @internal */
export const stateFileSchema: () => z.ZodType<StateFile> = lazy(
  () => schemaWith(z.json()).meta({ title: 'Flockwork state file' }) as z.ZodType<StateFile>,
);

/** Does not descend into the payload, which can be large. For values that `JSON.parse` returned. */
const shallowSchema = lazy(() => schemaWith(z.unknown()));
const shallowJoined = lazy(() => joinedWith(z.unknown()));

/** A branch, as recorded by the join. */
export interface Joined {
  readonly instance: string;
  /** The state file that the branch has ended with. */
  readonly ended?: string;
  readonly output?: Json;
}

/** By branch name. */
export type Joins = Readonly<Record<string, Joined>>;

/** The activity of a hook that is to run, and its transition. */
export interface PendingHook {
  readonly run: string;
  readonly from: string;
  readonly event: string;
  readonly details?: Json;
}

/** An immutable snapshot of an instance. Keys that begin with `x-` are the user's own. */
export interface StateFile {
  state: string;
  payload: Json;
  machine?: string;
  notBefore?: string;
  priority?: number;
  /** The state file whose step set the timers of this state. */
  since?: string;
  /** The tick has answered `wait`: no tick runs until an event moves the instance. */
  waits?: boolean;
  /** An activity runs after the transition that has led here, before the next event. */
  hook?: PendingHook;
  branch?: { readonly of: string; readonly name: string; readonly room: number };
  join?: Joins;
  [extension: `x-${string}`]: Json;
}

export type ParsedStateFile =
  | { readonly ok: true; readonly file: StateFile }
  | ({
      readonly ok: false;
      readonly code: string;
      readonly reason: string;
    } & Partial<TextPosition>);

/** Keys that users write. */
const OFFERED = ['state', 'payload', 'machine', 'notBefore', 'priority'];
const KNOWN = [...OFFERED, 'since', 'waits', 'hook', 'branch', 'join'];

/** Never throws, whatever the bytes. */
export function parseStateFile(bytes: Uint8Array): ParsedStateFile {
  const refuse = (code: string, reason: string): ParsedStateFile => ({ ok: false, code, reason });
  if (bytes.length > MAX_STATE_BYTES) {
    return refuse('too-large', `larger than ${MAX_STATE_BYTES} bytes`);
  }
  const text = decodeText(bytes);
  if (text === undefined) return refuse('not-utf8', 'not UTF-8 text');
  if (text.trim() === '') return refuse('empty', 'empty; expected { "state": … }');
  const parsed = parseJson(text);
  if (!parsed.ok) {
    const { reason, line, column } = parsed;
    return { ok: false, code: 'bad-json', reason, line, column };
  }
  return checkValue(text, parsed.value);
}

/** Removes a byte order mark. */
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Undefined if the bytes are not UTF-8. */
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
  // A branch may have this name, which zod skips.
  const joins = isObject(value) && isObject(value['join']) ? Object.entries(value['join']) : [];
  const [, joined] = joins.find(([branch]) => branch === '__proto__') ?? [];
  if (joined !== undefined && !shallowJoined().safeParse(joined).success) {
    const reason = '"join.__proto__": expected { "instance": …, "ended"?: …, "output"?: … }';
    return { ok: false, code: 'bad-state-file', reason, ...locate(text, ['join', '__proto__']) };
  }
  // The parsed value, not zod's copy: a `__proto__` in the payload is data.
  const accept = (): ParsedStateFile => ({
    ok: true,
    file: { payload: {}, ...(value as object) } as StateFile,
  });
  if (shallowSchema().safeParse(value).success) return accept();
  const checked = stateFileSchema().safeParse(value);
  if (checked.success) return accept();
  const issue = checked.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  const message = issue.message.replace('expected string, received undefined', 'required');
  // A missing key has no position; its object has.
  const place = locate(text, issue.path) ?? locate(text, issue.path.slice(0, -1));
  return { ok: false, code: 'bad-state-file', reason: where + message, ...place };
}

/** Deterministic. Indented, unless indentation would exceed the size limit. */
export function formatStateFile(file: StateFile): string {
  const indented = `${JSON.stringify(file, null, 2)}\n`;
  return byteLength(indented) <= MAX_STATE_BYTES ? indented : `${JSON.stringify(file)}\n`;
}

/** NAME or NAME:VERSION. A state file without a machine is of the machine that its state names. */
export function machineNamed({ machine, state }: Pick<StateFile, 'machine' | 'state'>): string {
  return machine ?? state;
}

/** `wanted`: NAME, for any version, or NAME:VERSION. */
export function isOfMachine(machine: string | undefined, wanted: string): boolean {
  return machine === wanted || machine?.split(':')[0] === wanted;
}

/** In UTF-8. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** What differs from the parent. */
interface Successor {
  readonly state: string;
  readonly payload: Json;
  /** ISO 8601. */
  readonly notBefore?: string | undefined;
  /** The state file that set the timers of this state. */
  readonly since?: string | undefined;
  readonly waits?: boolean;
  readonly hook?: PendingHook | undefined;
  readonly join?: Joins;
}

/**
 * Names the machine as the parent does: a successor of `{"state": "countdown"}` has no `machine` either, unless its state is
 * no longer the machine's name. Copies the user's `x-` keys, the priority and `branch`.
 */
export function formatSuccessor(
  parent: StateFile,
  machineName: string,
  { state, payload, notBefore, since, waits = false, hook, join }: Successor,
): string {
  const { notBefore: _1, since: _2, waits: _3, hook: _4, join: _5, machine, ...kept } = parent;
  const isImplied = machine === undefined && state === machineName;
  return formatStateFile({
    ...kept,
    state,
    payload,
    ...(!isImplied && { machine: machine ?? machineName }),
    ...(notBefore !== undefined && { notBefore }),
    ...(since !== undefined && { since }),
    ...(waits && { waits }),
    ...(hook !== undefined && { hook }),
    ...(join !== undefined && { join }),
  });
}
