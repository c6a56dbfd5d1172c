/**
 * Event files and their names: `TIME~KEY@INSTANCE`, or `TIME+KEY@INSTANCE` for an event that must not be applied before TIME.
 * KEY stands for the event's id (`eventKey`). The order of the names is the order of the events; a listing alone tells the
 * instance and the due time.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { EventRequest } from './decide.ts';
import type { Json } from './definition.ts';
import { parsedJson, parseJson } from './json-text.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';
import { durationProblem } from './duration.ts';
import { jsonProblem } from './json-problem.ts';
import { instanceProblem } from './name.ts';
import { lazy } from './lazy.ts';

/** The content of an event file. */
export interface EventFile {
  readonly event: string;
  readonly details?: Json;
  /** Name of the sender, for display. */
  readonly originator?: string;
  /** ISO 8601: when it was sent. */
  readonly timestamp?: string;
  /** Milliseconds before it may be applied. */
  readonly delay?: number;
  /** Milliseconds that it waits for an instance that does not exist yet. */
  readonly grace?: number;
  /** A timer's: lapses once the instance leaves the state begun by this state file; in XState, once this timer is cancelled. */
  readonly since?: string;
  /** A branch has ended, with this state file; `details` is its output. Only a step emits it. */
  readonly branch?: { readonly name: string; readonly ended: string };
  /** Its id, if the key in the file's name is hashed. */
  readonly id?: string;
}

/** The parts of an event file's name. */
export interface EventName {
  /** ISO 8601: position in the order; the due time of a delayed event. */
  readonly time: string;
  readonly isDelayed: boolean;
  /** Stands for its id, the idempotency key: a second event with the same id has the outcome of the first. */
  readonly key: string;
  /** The instance. */
  readonly to: string;
}

export type EventOutcome =
  | 'Ok'
  | 'EventNotAllowed'
  | 'TransitionNotAllowed'
  | 'FsmNotFound'
  | 'MissingDestination'
  | 'InternalError'
  | 'GenericError';

/** Stands for invalid UTF-8 in a listing. */
const NO_UTF8 = '\ufffd';
/** The part before the key. */
const HEAD = /^\d{8}T\d{6}\.\d{3}Z[~+]$/;
const HEAD_LENGTH = '20260101T000000.000Z~'.length;

/** `time` is written without hyphens and colons. `id` must be valid. */
export function formatEventName({
  time,
  isDelayed,
  id,
  to,
}: Omit<EventName, 'key'> & { readonly id: string }): string {
  return `${time.replaceAll(/[-:]/g, '')}${isDelayed ? '+' : '~'}${eventKey(id)}@${to}`;
}

const MAX_FILE_NAME_BYTES = 255;
const NO_NAME = /[/\0]/;

/** True if `parseEventName` accepts it and it is safe in a path. For names that do not come from a listing. */
export function isEventName(name: string): boolean {
  return (
    !NO_NAME.test(name) &&
    Buffer.byteLength(name) <= MAX_FILE_NAME_BYTES &&
    parseEventName(name) !== undefined
  );
}

/** Undefined for other files in the directory: they are ignored, and never touched. */
export function parseEventName(fileName: string): EventName | undefined {
  // Without a regular expression for the whole: a listing may have 100,000 names.
  const at = fileName.indexOf('@', HEAD_LENGTH);
  const head = fileName.slice(0, HEAD_LENGTH);
  const [key, to] = [fileName.slice(HEAD_LENGTH, at), fileName.slice(at + 1)];
  if (at === -1 || to === '' || to.includes(NO_UTF8) || !HEAD.test(head)) return undefined;
  if (idInKey(key) === undefined && !isHashedKey(key)) return undefined;
  const [year, month, day] = [head.slice(0, 4), head.slice(4, 6), head.slice(6, 11)];
  const time = `${year}-${month}-${day}:${head.slice(11, 13)}:${head.slice(13, -1)}`;
  return { time, isDelayed: head.endsWith('+'), key, to };
}

const shape = lazy(() => {
  const text = z.string();
  return z.strictObject({
    event: text.min(1),
    details: parsedJson().exactOptional(),
    originator: text.exactOptional(),
    timestamp: text.exactOptional(),
    delay: z.number().min(0).exactOptional(),
    grace: z.number().min(0).exactOptional(),
    since: text.exactOptional(),
    branch: z.strictObject({ name: text, ended: text }).exactOptional(),
    id: text.exactOptional(),
  });
});
const eventSchema: () => z.ZodType<EventFile> = shape;

/** `id`: stored in the file if its name does not have it; none for an event of a step, which has a short one. */
export function formatEvent(file: EventFile, id?: string): string {
  const isHashed = id !== undefined && isHashedKey(eventKey(id));
  return `${JSON.stringify(isHashed ? { ...file, id } : file)}\n`;
}

/** The id of the event with this key in its file's name. The key itself, if it is hashed and the file has another id. */
export function eventIdOf(key: string, content: string): string {
  const inKey = idInKey(key);
  if (inKey !== undefined) return inKey;
  const event = parseEvent(content);
  const id = typeof event === 'string' ? undefined : event.id;
  return id !== undefined && eventIdProblem(id) === undefined && eventKey(id) === key ? id : key;
}

/** The event, or a sentence on what is wrong with it. Never throws. */
export function parseEvent(content: string): EventFile | string {
  if (byteLength(content) > MAX_STATE_BYTES) return `larger than ${MAX_STATE_BYTES} bytes`;
  const parsed = parseJson(content);
  if (!parsed.ok) return parsed.reason;
  const checked = eventSchema().safeParse(parsed.value);
  if (checked.success) return parsed.value as unknown as EventFile;
  const issue = checked.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  return `${where}${issue.message}; expected { "event": …, "details"?: … }`;
}

/** An event that a step sends. The same step always gives it the same name. */
export interface EmittedEvent {
  /** File name. */
  readonly name: string;
  readonly content: string;
}

/** An event before it is named. `delay`: milliseconds. */
export type EventDraft = EventRequest & Pick<EventFile, 'delay' | 'since' | 'branch'>;

const CAUSED = /^\d{3}-[0-9a-f]{32}$/;

/** True if a step has sent it, as its key tells, and not a user. */
export function isCaused({ key }: EventName): boolean {
  return CAUSED.test(key);
}

/** `state` and `finished` are unique to this attempt at this step; the id is derived from them. */
export function emittedEvent(
  draft: EventDraft,
  index: number,
  { state, finished }: { readonly state: string; readonly finished: string },
): EmittedEvent {
  const { to, event, details, delay = 0, since, branch } = draft;
  // Orders events of one step, whose times are equal.
  const place = String(index).padStart(3, '0');
  const hash = createHash('sha256').update(`${state}\0${finished}\0${index}`).digest('hex');
  const time = new Date(Date.parse(finished) + delay).toISOString();
  const file: EventFile = {
    event,
    ...(details !== undefined && { details }),
    originator: state,
    timestamp: finished,
    ...(delay > 0 && { delay }),
    ...(since !== undefined && { since }),
    ...(branch !== undefined && { branch }),
  };
  return {
    name: formatEventName({
      time,
      isDelayed: delay > 0,
      id: `${place}-${hash}`.slice(0, MAX_KEY_LENGTH),
      to,
    }),
    content: formatEvent(file),
  };
}

/** The index in an event's id has three digits. */
const MAX_EMITTED_EVENTS = 1000;

/** Validates the events that a step is to send. Done before the commit, since everything committed must be carried out. */
export function areEventRequests(value: unknown): value is readonly EventRequest[] {
  const isRequest = (one: Partial<EventDraft> | null | undefined): boolean =>
    typeof one?.to === 'string' &&
    typeof one.event === 'string' &&
    one.event !== '' &&
    isDelay(one.delay) &&
    ['string', 'undefined'].includes(typeof one.since);
  return Array.isArray(value) && value.every(isRequest);
}

function isDelay(delay: unknown): boolean {
  return (
    delay === undefined || (typeof delay === 'number' && durationProblem(delay, 0) === undefined)
  );
}

/** Why not all of these can be sent, or undefined. */
export function eventRequestsProblem(
  emit: readonly EventRequest[],
):
  | { readonly outcome: 'MissingDestination' | 'InternalError'; readonly reason: string }
  | undefined {
  if (emit.length > MAX_EMITTED_EVENTS) {
    return {
      outcome: 'InternalError',
      reason: `more than ${MAX_EMITTED_EVENTS} events in one step`,
    };
  }
  for (const { to } of emit) {
    const problem = instanceProblem(to);
    if (problem === undefined) continue;
    const reason = `an event for "${to}", which is not a valid instance: ${problem}`;
    return { outcome: 'MissingDestination', reason };
  }
  const all = emit.map(({ details = null }) => details);
  const reason = jsonProblem(all, 'the details of the events');
  return reason === undefined ? undefined : { outcome: 'InternalError', reason };
}

/*
 * Event ids, and their keys. An id is any text of 1 to 200 characters. A file name cannot hold all of these, so files are
 * named by the key of the id:
 *
 * - An id of at most 36 letters, digits, dots, hyphens and underscores, not beginning with a dot, is its own key.
 * - In others, each byte (UTF-8) that is none of these, and a dot at the beginning, is `%` and two hexadecimal digits.
 * - If that has more than 36 bytes, the key is `%-` and the first 34 hexadecimal digits of the SHA-256 of the id. No
 *   other key begins like this. The event's file then contains the id.
 *
 * Two ids have two keys, unless their SHA-256 collide in 136 bits.
 */

/** Unicode code points. */
const MAX_ID_CHARACTERS = 200;
/** Bytes: what the time and the longest name of an instance leave of the 255 bytes of a file name. */
const MAX_KEY_LENGTH = 36;

const DIGEST = '%-';
const PLAIN = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;
const HASHED = new RegExp(`^${DIGEST}[0-9a-f]{${MAX_KEY_LENGTH - DIGEST.length}}$`);
/** `encodeURIComponent` leaves these as they are. */
const LEFT = /^\.|[!~*'()]/g;

/** Why this is not a valid event id, or undefined. */
export function eventIdProblem(id: string): string | undefined {
  const invalid = 'not a valid event id:';
  if (id.includes('\0')) return `${invalid} it contains NUL`;
  if (!id.isWellFormed()) return `${invalid} it contains half of a surrogate pair`;
  // Counts no more than a text can have whose code points are all pairs.
  const isLong = id.length > 2 * MAX_ID_CHARACTERS || Array.from(id).length > MAX_ID_CHARACTERS;
  if (id !== '' && !isLong) return undefined;
  const got = id === '' ? 'none' : `more, beginning with ${JSON.stringify(id.slice(0, 40))}`;
  return `${invalid} expected 1 to ${MAX_ID_CHARACTERS} characters, got ${got}`;
}

/** The part of file names that stands for this id, which must be valid. */
export function eventKey(id: string): string {
  const escaped = encodeURIComponent(id).replace(LEFT, percent);
  if (escaped.length <= MAX_KEY_LENGTH) return escaped;
  const hash = createHash('sha256').update(id).digest('hex');
  return DIGEST + hash.slice(0, MAX_KEY_LENGTH - DIGEST.length);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** True if a key contains a hash of its id, and not the id. */
export function isHashedKey(key: string): boolean {
  return HASHED.test(key);
}

/** The id in a key; undefined if the key is hashed, or is the key of no id. */
export function idInKey(key: string): string | undefined {
  if (key.length > MAX_KEY_LENGTH) return undefined;
  // Most keys are plain, and a listing may have 100,000.
  if (PLAIN.test(key)) return key;
  try {
    const id = decodeURIComponent(key);
    return eventIdProblem(id) === undefined && eventKey(id) === key ? id : undefined;
  } catch {
    return undefined;
  }
}
