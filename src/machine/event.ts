/**
 * Events, and the names of their files: `TIME~ID@INSTANCE`, or `TIME+ID@INSTANCE` for one that is not to be applied
 * before that time. The names order them, and say what a listing has to tell: for whom, and from when on.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { EventRequest } from './decide.ts';
import type { Json } from './definition.ts';
import { parsedJson, parseJson } from './json-text.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';

/** A timer's, or whatever else is no news any more when its instance has moved on. */
export interface EventFile {
  readonly event: string;
  readonly details?: Json;
  /** Who sent it, for people. */
  readonly originator?: string;
  /** ISO 8601: when it was sent. */
  readonly timestamp?: string;
  /** Milliseconds that it is not to be applied for. */
  readonly delay?: number;
  /** Milliseconds that it waits for an instance that is not there yet. */
  readonly grace?: number;
  /** It counts only while its instance has not moved since this state file; of an XState machine, while this timer runs. */
  readonly since?: string;
  /** A branch has ended, with this state file; `details` is its output. Only a step says so. */
  readonly branch?: { readonly name: string; readonly ended: string };
}

/** What an event's file is called. */
export interface EventName {
  /** ISO 8601: its place in the order, and for a delayed one the time that it is due. */
  readonly time: string;
  readonly isDelayed: boolean;
  /** The idempotency key: the same one twice has the outcome of the first. */
  readonly id: string;
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

/** Names of files have 255 bytes at most: what the instance and the time leave of it. */
const MAX_ID_LENGTH = 36;
const ID = new RegExp(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,${MAX_ID_LENGTH - 1}}$`);
/** How what is not UTF-8 reads. */
const NO_UTF8 = '\ufffd';
/** What is before the id. */
const HEAD = /^\d{8}T\d{6}\.\d{3}Z[~+]$/;
const HEAD_LENGTH = '20260101T000000.000Z~'.length;

export function eventIdProblem(id: string): string | undefined {
  return ID.test(id)
    ? undefined
    : `"${id}" is no event id: use up to ${MAX_ID_LENGTH} letters, digits, dots, hyphens and underscores`;
}

/** `time` without what file names would rather not have. */
export function formatEventName({ time, isDelayed, id, to }: EventName): string {
  return `${time.replaceAll(/[-:]/g, '')}${isDelayed ? '+' : '~'}${id}@${to}`;
}

/** Of one file: no path leads elsewhere. */
const MAX_FILE_NAME_BYTES = 255;
const NO_NAME = /[/\0]/;

/** Is this what `parseEventName` takes, wherever it is from? */
export function isEventName(name: string): boolean {
  return (
    !NO_NAME.test(name) &&
    Buffer.byteLength(name) <= MAX_FILE_NAME_BYTES &&
    parseEventName(name) !== undefined
  );
}

/** Undefined for whatever else is in the directory: it is ignored, and never touched. */
export function parseEventName(fileName: string): EventName | undefined {
  // By hand: there may be a hundred thousand of them in a listing.
  const at = fileName.indexOf('@', HEAD_LENGTH);
  const head = fileName.slice(0, HEAD_LENGTH);
  const [id, to] = [fileName.slice(HEAD_LENGTH, at), fileName.slice(at + 1)];
  if (at === -1 || to === '' || to.includes(NO_UTF8) || !HEAD.test(head) || !ID.test(id))
    return undefined;
  const [year, month, day] = [head.slice(0, 4), head.slice(4, 6), head.slice(6, 11)];
  const time = `${year}-${month}-${day}:${head.slice(11, 13)}:${head.slice(13, -1)}`;
  return { time, isDelayed: head.endsWith('+'), id, to };
}

const text = z.string();
const shape = z.strictObject({
  event: text.min(1),
  details: parsedJson.exactOptional(),
  originator: text.exactOptional(),
  timestamp: text.exactOptional(),
  delay: z.number().min(0).exactOptional(),
  grace: z.number().min(0).exactOptional(),
  since: text.exactOptional(),
  branch: z.strictObject({ name: text, ended: text }).exactOptional(),
});
const eventSchema: z.ZodType<EventFile> = shape;

export function formatEvent(file: EventFile): string {
  return `${JSON.stringify(file)}\n`;
}

/** A sentence on what is wrong with it, if anything is. Never throws. */
export function parseEvent(content: string): EventFile | string {
  if (byteLength(content) > MAX_STATE_BYTES) return `larger than ${MAX_STATE_BYTES} bytes`;
  const parsed = parseJson(content);
  if (!parsed.ok) return parsed.reason;
  const checked = eventSchema.safeParse(parsed.value);
  if (checked.success) return parsed.value as unknown as EventFile;
  const issue = checked.error.issues[0]!;
  const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
  return `${where}${issue.message}; an event says { "event": …, "details"?: … }`;
}

/** An event that a step causes: the same step always gives it the same name. */
export interface EmittedEvent {
  /** Of its file. */
  readonly name: string;
  readonly content: string;
}

/** `delay`: milliseconds. */
export type EventDraft = EventRequest & Pick<EventFile, 'delay' | 'since' | 'branch'>;

const CAUSED = /^\d{3}-[0-9a-f]{32}$/;

/** By a step, as its id tells, not sent by anybody. */
export function isCaused({ id }: EventName): boolean {
  return CAUSED.test(id);
}

/** `state` and `finished`: what no other step, and no other run of this one, says. */
export function emittedEvent(
  draft: EventDraft,
  index: number,
  { state, finished }: { readonly state: string; readonly finished: string },
): EmittedEvent {
  const { to, event, details, delay = 0, since, branch } = draft;
  // In their order, where nothing else tells.
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
      id: `${place}-${hash}`.slice(0, MAX_ID_LENGTH),
      to,
    }),
    content: formatEvent(file),
  };
}
