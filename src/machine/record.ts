/** What is written to `done/`, `failed/` and `attempts/`: JSON that a person can read. */
import { z } from 'zod';
import type { Json } from './definition.ts';
import { eventIdProblem, isEventName, type EmittedEvent, type EventOutcome } from './event.ts';
import { parsedJson } from './json-text.ts';
import { instanceProblem, parseStateName } from './name.ts';

/** Instants are ISO 8601. */
export interface Attempt {
  readonly attempt: number;
  readonly session: string;
  readonly worker: string;
  readonly started: string;
  readonly ended: string;
  /** `lost`: its worker died, or was taken for dead, meanwhile. */
  readonly result: 'failed' | 'lost';
  readonly error?: { readonly message: string; readonly stack?: string; readonly fatal?: boolean };
  /** When the next attempt may be made. */
  readonly notBefore?: string;
}

/** What became of an event, and where: in the record of the step that it was applied in. */
export interface AppliedEvent {
  /** The name of its file. */
  readonly file: string;
  readonly id: string;
  readonly event?: string;
  readonly originator?: string;
  /** ISO 8601: when it was sent, as its sender said. */
  readonly timestamp?: string;
  /** Up to `MAX_KEPT_DETAILS_BYTES` of JSON; of longer ones only the length is kept. */
  readonly details?: Json;
  readonly detailsBytes?: number;
  readonly outcome: EventOutcome;
  readonly from: string;
  readonly to?: string;
  readonly reason?: string;
}

/** Of an event's details in the record of the step that it was applied in. */
export const MAX_KEPT_DETAILS_BYTES = 4096;

/** A state file that a step leads to: its name, and its text to the byte. */
export interface PublishedState {
  readonly name: string;
  readonly content: string;
}

/** I2: everything that a step causes is in here, and published from here. */
export interface CommitRecord {
  readonly flockwork: 1;
  /** The state file's name. */
  readonly state: string;
  readonly session: string;
  readonly worker: string;
  readonly started: string;
  readonly finished: string;
  readonly machine?: string;
  readonly output?: Json;
  /** In the order in which they were applied. */
  readonly events?: readonly AppliedEvent[];
  /** Events that it causes. */
  readonly emit?: readonly EmittedEvent[];
  /** What else it begins: first state files of other instances. */
  readonly branches?: readonly PublishedState[];
  /** The successor. */
  readonly next?: PublishedState;
  readonly attempts?: readonly Attempt[];
}

/** The last word on an event that is applied to no state: there is nobody for it. */
export interface RejectionRecord {
  readonly flockwork: 1;
  readonly id: string;
  readonly file: string;
  readonly outcome: EventOutcome;
  readonly reason: string;
  readonly session: string;
  readonly worker: string;
  readonly at: string;
}

export interface FailureRecord {
  readonly flockwork: 1;
  readonly state: string;
  readonly session: string;
  readonly worker: string;
  readonly at: string;
  readonly code: string;
  readonly reason: string;
  /** Of the state file, where that is what is wrong. */
  readonly line?: number;
  readonly column?: number;
  /**
   * Only where nothing has run, and another content might run: the fingerprint of what was read, or why it could not be
   * read. When the file has another content, the state is available again.
   */
  readonly file?: string;
  readonly attempts?: readonly Attempt[];
}

const text = z.string();
/** What becomes part of a path is a name of its kind, whoever wrote the record: nobody is led out of the volume. */
const stateFile = text.refine((name) => {
  const parsed = parseStateName(name);
  return parsed !== undefined && instanceProblem(parsed.instance) === undefined;
}, 'no name of a state file');
const eventFile = text.refine(isEventName, 'no name of an event');
const eventId = text.refine((id) => eventIdProblem(id) === undefined, 'no id of an event');
/** Attempts are counted, and count on from there. */
const MAX_ATTEMPT = 1_000_000_000;
const attemptSchema: z.ZodType<Attempt> = z.object({
  attempt: z.int().min(0).max(MAX_ATTEMPT),
  session: text,
  worker: text,
  started: text,
  ended: text,
  result: z.enum(['failed', 'lost']),
  error: z
    .object({ message: text, stack: text.exactOptional(), fatal: z.boolean().exactOptional() })
    .exactOptional(),
  notBefore: text.exactOptional(),
});
const outcome: z.ZodType<EventOutcome> = z.enum([
  'Ok',
  'EventNotAllowed',
  'TransitionNotAllowed',
  'FsmNotFound',
  'MissingDestination',
  'InternalError',
  'GenericError',
]);
const appliedSchema: z.ZodType<AppliedEvent> = z.object({
  file: eventFile,
  id: eventId,
  event: text.exactOptional(),
  originator: text.exactOptional(),
  timestamp: text.exactOptional(),
  details: parsedJson.exactOptional(),
  detailsBytes: z.int().exactOptional(),
  outcome,
  from: text,
  to: text.exactOptional(),
  reason: text.exactOptional(),
});
const common = {
  flockwork: z.literal(1),
  state: stateFile,
  session: text,
  worker: text,
  attempts: z.array(attemptSchema).exactOptional(),
};
const publishedState = z.object({ name: stateFile, content: text });
const commitSchema: z.ZodType<CommitRecord> = z.object({
  ...common,
  started: text,
  finished: text,
  machine: text.exactOptional(),
  output: parsedJson.exactOptional(),
  events: z.array(appliedSchema).exactOptional(),
  emit: z.array(z.object({ name: eventFile, content: text })).exactOptional(),
  branches: z.array(publishedState).exactOptional(),
  next: publishedState.exactOptional(),
});
const rejectionSchema: z.ZodType<RejectionRecord> = z.object({
  flockwork: z.literal(1),
  id: eventId,
  file: eventFile,
  outcome,
  reason: text,
  session: text,
  worker: text,
  at: text,
});
const failureSchema: z.ZodType<FailureRecord> = z.object({
  ...common,
  // Also one that is too long, as it may have failed for that; the flag's own name says which it is.
  state: text,
  at: text,
  code: text,
  reason: text,
  line: z.int().exactOptional(),
  column: z.int().exactOptional(),
  file: text.exactOptional(),
});

/** The same record gives the same text: it is compared by it. */
export function formatRecord(
  record: Attempt | CommitRecord | FailureRecord | RejectionRecord,
): string {
  return `${JSON.stringify(record)}\n`;
}

/** Undefined for what is no such record: a token, a foreign flag, garbage. Never throws. */
function parseAs<T>(schema: z.ZodType<T>, content: string): T | undefined {
  try {
    const value: unknown = JSON.parse(content);
    // The value itself, not zod's copy: keys keep their order, and `__proto__` stays data.
    return schema.safeParse(value).success ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

export function parseAttempt(content: string): Attempt | undefined {
  return parseAs(attemptSchema, content);
}

/**
 * The record of `state` in the content of its flag, which may hold the records of all that were committed
 * with it, a line each.
 */
export function parseCommitRecord(content: string, state: string): CommitRecord | undefined {
  if (content === '') return undefined;
  const beginning = `{"flockwork":1,"state":${JSON.stringify(state)},`;
  const lines = content.split('\n');
  const line = lines.find((one) => one.startsWith(beginning));
  const record = parseAs(commitSchema, line ?? content);
  return record?.state === state ? record : undefined;
}

/** The states of all records in such a file. */
export function recordedStates(content: string): string[] {
  return recordsIn(content).map(({ state }) => state);
}

/** `mention`: text that the line has to have, where not all are wanted. */
function recordsIn(content: string, mention = ''): CommitRecord[] {
  return content
    .split('\n')
    .flatMap((line) => (line.includes(mention) ? (parseAs(commitSchema, line) ?? []) : []));
}

/** The record in such a file that says what became of an event. */
export function recordOfEvent(content: string, id: string): CommitRecord | undefined {
  return recordsIn(content, JSON.stringify(id)).find((record) => appliedIn(record, id));
}

export function appliedIn({ events }: CommitRecord, id: string): AppliedEvent | undefined {
  return events?.find((one) => one.id === id);
}

/** The text of an event that one of the records in such a file has caused. */
export function emittedIn(content: string, name: string): string | undefined {
  return recordsIn(content, JSON.stringify(name))
    .flatMap(({ emit }) => emit ?? [])
    .find((one) => one.name === name)?.content;
}

/** All that a step leads to. */
export function publishedStates(record: CommitRecord | undefined): readonly PublishedState[] {
  const { branches = [], next } = record ?? {};
  return next === undefined ? branches : [...branches, next];
}

export function parseRejection(content: string): RejectionRecord | undefined {
  return parseAs(rejectionSchema, content);
}

/** Does a flag with this content stand for this very record? Lines of JSON hold no line breaks. */
export function holdsRecord(content: string, record: CommitRecord): boolean {
  return `\n${content}`.includes(`\n${formatRecord(record)}`);
}

/** The record in the flag of `state`, if it is about that. */
export function parseFailureRecord(content: string, state: string): FailureRecord | undefined {
  const record = parseAs(failureSchema, content);
  return record?.state === state ? record : undefined;
}
