/** What is written to `done/`, `failed/` and `attempts/`: JSON that a person can read. */
import { z } from 'zod';
import type { Json } from './definition.ts';

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
  /** The successor: its name, and its text to the byte. */
  readonly next?: { readonly name: string; readonly content: string };
  readonly attempts?: readonly Attempt[];
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
  readonly attempts?: readonly Attempt[];
}

const text = z.string();
const attemptSchema: z.ZodType<Attempt> = z.object({
  attempt: z.int(),
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
const common = {
  flockwork: z.literal(1),
  state: text,
  session: text,
  worker: text,
  attempts: z.array(attemptSchema).exactOptional(),
};
const commitSchema: z.ZodType<CommitRecord> = z.object({
  ...common,
  started: text,
  finished: text,
  machine: text.exactOptional(),
  output: (z.json() as z.ZodType<Json>).exactOptional(),
  next: z.object({ name: text, content: text }).exactOptional(),
});
const failureSchema: z.ZodType<FailureRecord> = z.object({
  ...common,
  at: text,
  code: text,
  reason: text,
  line: z.int().exactOptional(),
  column: z.int().exactOptional(),
});

/** The same record gives the same text: it is compared by it. */
export function formatRecord(record: Attempt | CommitRecord | FailureRecord): string {
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
  const beginning = `{"flockwork":1,"state":${JSON.stringify(state)},`;
  const lines = content.split('\n');
  const line = lines.find((one) => one.startsWith(beginning));
  const record = parseAs(commitSchema, line ?? content);
  return record?.state === state ? record : undefined;
}

/** The states of all records in such a file. */
export function recordedStates(content: string): string[] {
  return content.split('\n').flatMap((line) => parseAs(commitSchema, line)?.state ?? []);
}

/** Does a flag with this content stand for this very record? Lines of JSON hold no line breaks. */
export function holdsRecord(content: string, record: CommitRecord): boolean {
  return `\n${content}`.includes(`\n${formatRecord(record)}`);
}

export function parseFailureRecord(content: string): FailureRecord | undefined {
  return parseAs(failureSchema, content);
}
