/** The records in `done/`, `failed/`, `attempts/` and `outcomes/`: JSON, one line each. */
import { z } from 'zod';
import type { Json, PastStep } from './definition.ts';
import {
  eventIdProblem,
  isEventName,
  parseEventName,
  type EmittedEvent,
  type EventOutcome,
} from './event.ts';
import { parsedJson } from './json-text.ts';
import { lazy } from './lazy.ts';
import { instanceProblem, parseStateName } from './name.ts';
import { parseStateFile } from './state-file.ts';

/** Instants are ISO 8601. */
export interface Attempt {
  readonly attempt: number;
  readonly session: string;
  readonly worker: string;
  readonly started: string;
  readonly ended: string;
  /** `lost`: its session died, or expired, meanwhile. */
  readonly result: 'failed' | 'lost';
  readonly error?: { readonly message: string; readonly stack?: string; readonly fatal?: boolean };
  /** When the next attempt may begin. */
  readonly notBefore?: string;
}

/** An event and its outcome, in the record of the step that applied it. */
export interface AppliedEvent {
  /** The name of its file. */
  readonly file: string;
  readonly id: string;
  readonly event?: string;
  readonly originator?: string;
  /** ISO 8601: when it was sent, according to its sender. */
  readonly timestamp?: string;
  /** Up to `MAX_KEPT_DETAILS_BYTES` of JSON; for longer ones only `detailsBytes` is kept. */
  readonly details?: Json;
  readonly detailsBytes?: number;
  readonly outcome: EventOutcome;
  readonly from: string;
  readonly to?: string;
  readonly reason?: string;
}

/** Of an event's details, in the record of the step that applied it. */
export const MAX_KEPT_DETAILS_BYTES = 4096;

/** A state file that a step publishes: its name and its exact content. */
export interface PublishedState {
  readonly name: string;
  readonly content: string;
}

/** I2: contains all effects of a step; they are published from here. */
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
  /** Events that the step sends. */
  readonly emit?: readonly EmittedEvent[];
  /** First state files of its branches. */
  readonly branches?: readonly PublishedState[];
  /** The successor. */
  readonly next?: PublishedState;
  readonly attempts?: readonly Attempt[];
}

/** The final outcome of an event that is applied to no instance. */
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
  /** Position in the state file, if that is invalid. */
  readonly line?: number;
  readonly column?: number;
  /**
   * Only if nothing has run and a corrected file might: the fingerprint of the content, or why it could not be read. When
   * that changes, the state is available again.
   */
  readonly file?: string;
  readonly attempts?: readonly Attempt[];
}

/** Why a state has failed; of an invalid or unreadable state file, also where, and what was read. */
export type FailureReason = Pick<FailureRecord, 'code' | 'reason' | 'line' | 'column' | 'file'>;

/** `at`: ISO 8601. */
export function failureRecord(
  state: string,
  { session, worker, at }: Pick<FailureRecord, 'session' | 'worker' | 'at'>,
  { code, reason, line, column, file }: FailureReason,
  attempts: readonly Attempt[] = [],
): FailureRecord {
  return {
    flockwork: 1,
    state,
    session,
    worker,
    at,
    code,
    reason,
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
    ...(file !== undefined && { file }),
    ...(attempts.length > 0 && { attempts: [...attempts] }),
  };
}

/** Keeps the arithmetic on attempts exact, whatever a record contains. */
const MAX_ATTEMPT = 1_000_000_000;

/** Names that become part of a path are validated, so that a forged record cannot lead out of the volume. */
const stateFileName = (): z.ZodString =>
  z.string().refine((name) => {
    const parsed = parseStateName(name);
    return parsed !== undefined && instanceProblem(parsed.instance) === undefined;
  }, 'not the name of a state file');
const eventFileName = (): z.ZodString => z.string().refine(isEventName, 'not the name of an event');
const eventId = (): z.ZodString =>
  z.string().refine((id) => eventIdProblem(id) === undefined, 'not the id of an event');
const outcomeName = (): z.ZodType<EventOutcome> =>
  z.enum([
    'Ok',
    'EventNotAllowed',
    'TransitionNotAllowed',
    'FsmNotFound',
    'MissingDestination',
    'InternalError',
    'GenericError',
  ]);

const attemptSchema: () => z.ZodType<Attempt> = lazy(() => {
  const text = z.string();
  return z.object({
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
});

const appliedSchema: () => z.ZodType<AppliedEvent> = lazy(() => {
  const text = z.string();
  return z.object({
    file: eventFileName(),
    id: eventId(),
    event: text.exactOptional(),
    originator: text.exactOptional(),
    timestamp: text.exactOptional(),
    details: parsedJson().exactOptional(),
    detailsBytes: z.int().exactOptional(),
    outcome: outcomeName(),
    from: text,
    to: text.exactOptional(),
    reason: text.exactOptional(),
  });
});

const commitSchema: () => z.ZodType<CommitRecord> = lazy(() => {
  const text = z.string();
  const published = z.object({ name: stateFileName(), content: text });
  return z.object({
    flockwork: z.literal(1),
    state: stateFileName(),
    session: text,
    worker: text,
    attempts: z.array(attemptSchema()).exactOptional(),
    started: text,
    finished: text,
    machine: text.exactOptional(),
    output: parsedJson().exactOptional(),
    events: z.array(appliedSchema()).exactOptional(),
    emit: z.array(z.object({ name: eventFileName(), content: text })).exactOptional(),
    branches: z.array(published).exactOptional(),
    next: published.exactOptional(),
  });
});

const rejectionSchema: () => z.ZodType<RejectionRecord> = lazy(() => {
  const text = z.string();
  return z.object({
    flockwork: z.literal(1),
    id: eventId(),
    file: eventFileName(),
    outcome: outcomeName(),
    reason: text,
    session: text,
    worker: text,
    at: text,
  });
});

const failureSchema: () => z.ZodType<FailureRecord> = lazy(() => {
  const text = z.string();
  return z.object({
    flockwork: z.literal(1),
    // May be too long, if that is the failure; compared with the name of the flag.
    state: text,
    session: text,
    worker: text,
    attempts: z.array(attemptSchema()).exactOptional(),
    at: text,
    code: text,
    reason: text,
    line: z.int().exactOptional(),
    column: z.int().exactOptional(),
    file: text.exactOptional(),
  });
});

/** Deterministic: records are compared by their text. */
export function formatRecord(
  record: Attempt | CommitRecord | FailureRecord | RejectionRecord,
): string {
  return `${JSON.stringify(record)}\n`;
}

/** Undefined for other content: a token, a foreign flag, garbage. Never throws. */
function parseAs<T>(schema: () => z.ZodType<T>, content: string): T | undefined {
  try {
    const value: unknown = JSON.parse(content);
    // The parsed value, not zod's copy: keys keep their order, and `__proto__` stays data.
    return schema().safeParse(value).success ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

export function parseAttempt(content: string): Attempt | undefined {
  return parseAs(attemptSchema, content);
}

/**
 * The record of `state` in the content of its flag, which may hold the records of a whole group commit, one on each line.
 */
export function parseCommitRecord(content: string, state: string): CommitRecord | undefined {
  if (content === '') return undefined;
  const beginning = `{"flockwork":1,"state":${JSON.stringify(state)},`;
  const lines = content.split('\n');
  const line = lines.find((one) => one.startsWith(beginning));
  const record = parseAs(commitSchema, line ?? content);
  return record?.state === state ? record : undefined;
}

/** The states of all records in a flag. */
export function recordedStates(content: string): string[] {
  return recordsIn(content).map(({ state }) => state);
}

/** `mention`: only lines that contain this text. */
function recordsIn(content: string, mention = ''): CommitRecord[] {
  return content
    .split('\n')
    .flatMap((line) => (line.includes(mention) ? (parseAs(commitSchema, line) ?? []) : []));
}

/** The keys of the events that a step has applied. */
export function appliedKeys(record: CommitRecord | undefined): string[] {
  return (record?.events ?? []).map(({ file }) => parseEventName(file)!.key);
}

/** The record in a flag that has the outcome of the event with this key. */
export function recordOfEvent(content: string, key: string): CommitRecord | undefined {
  return recordsIn(content, `${key}@`).find((record) => appliedIn(record, key));
}

export function appliedIn({ events }: CommitRecord, key: string): AppliedEvent | undefined {
  return events?.find(({ file }) => parseEventName(file)?.key === key);
}

/** The content of an event that one of the records in a flag has sent. */
export function emittedIn(content: string, name: string): string | undefined {
  return recordsIn(content, JSON.stringify(name))
    .flatMap(({ emit }) => emit ?? [])
    .find((one) => one.name === name)?.content;
}

/** The state files that a step publishes: of its branches, and its successor. */
export function publishedStates(record: CommitRecord | undefined): readonly PublishedState[] {
  const { branches = [], next } = record ?? {};
  return next === undefined ? branches : [...branches, next];
}

export function parseRejection(content: string): RejectionRecord | undefined {
  return parseAs(rejectionSchema, content);
}

/** True if a flag with this content contains exactly this record. A line of JSON contains no line break. */
export function holdsRecord(content: string, record: CommitRecord): boolean {
  return `\n${content}`.includes(`\n${formatRecord(record)}`);
}

/** The record in the flag of `state`; undefined if it is about another state. */
export function parseFailureRecord(content: string, state: string): FailureRecord | undefined {
  const record = parseAs(failureSchema, content);
  return record?.state === state ? record : undefined;
}

/** `bytes`: content of the state file. Throws an Error if it does not parse. */
export function pastStep(
  name: string,
  bytes: Uint8Array,
  record: CommitRecord | undefined,
): PastStep {
  const parsed = parseStateFile(bytes);
  if (!parsed.ok) throw new Error(`${name}: ${parsed.reason}`);
  return {
    name,
    state: parsed.file.state,
    payload: parsed.file.payload,
    events: record?.events ?? [],
    attempts: record?.attempts?.length ?? 0,
    finished: record?.finished,
  };
}
