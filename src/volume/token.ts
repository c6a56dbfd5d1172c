/**
 * The token of a session: the content of every flag that it sets. A session is `NAME.BOOT`, with a random BOOT at every start:
 * a restarted worker never hides what its earlier session left behind.
 */
import { z } from 'zod';
import { UserError } from '../machine/errors.ts';
import { lazy } from '../machine/lazy.ts';

export interface Token {
  readonly flockwork: 1;
  readonly session: string;
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  /** Identifies this process among all of its host and boot, if the host can tell. */
  readonly process?: string;
  /** ISO 8601; of two live sessions under one name, the later one stops. */
  readonly started: string;
  /** Ticks at a time, and states held at most: inputs of the split. */
  readonly concurrency: number;
  readonly capacity: number;
  /** The machines of this worker: by them, sessions decide whether any worker can run a state. */
  readonly machines: readonly string[];
  /** All states of some of these machines: this worker does not know any other state of them. */
  readonly states?: Readonly<Record<string, readonly string[]>>;
}

/** Limit for reading flags: any user who can write to the volume may have written anything there. */
export const MAX_TOKEN_BYTES: number = 64 * 1024;
/** The most that a worker may declare: a larger share would leave nothing to the others. */
export const MAX_CONCURRENCY = 10_000;
export const MAX_CAPACITY = 1_000_000;

/** Names of workers and sessions: safe file names. */
const fileName = (longest: number): z.ZodString =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,${longest - 1}}$`));
const MAX_WORKER_NAME = 100;
const BOOT_LENGTH = 8;
const workerName = lazy(() => fileName(MAX_WORKER_NAME));

const tokenSchema: () => z.ZodType<Token> = lazy(() =>
  z.object({
    flockwork: z.literal(1),
    session: fileName(MAX_WORKER_NAME + 1 + BOOT_LENGTH),
    worker: workerName(),
    host: z.string(),
    pid: z.int(),
    process: z.string().exactOptional(),
    started: z.string(),
    concurrency: z.int().positive().max(MAX_CONCURRENCY),
    capacity: z.int().positive().max(MAX_CAPACITY),
    machines: z.array(z.string()),
    states: z.record(z.string(), z.array(z.string())).exactOptional(),
  }),
);

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** `NAME.BOOT` with a BOOT of 8 letters and digits: 41 bits. */
export function newSessionId(worker: string, random: () => number): string {
  const boot = Array.from(
    { length: BOOT_LENGTH },
    () => LETTERS[Math.floor(random() * LETTERS.length)],
  );
  return `${worker}.${boot.join('')}`;
}

/** The problem of a worker's name, as a sentence, or undefined. It must be a file name with room for BOOT. */
export function workerNameProblem(name: string): string | undefined {
  if (workerName().safeParse(name).success) return undefined;
  return `"${name}" is not a valid worker name: use at most ${MAX_WORKER_NAME} letters, digits, dots, hyphens and underscores, not beginning with a dot or hyphen`;
}

export function formatToken(token: Token): string {
  return `${JSON.stringify(token)}\n`;
}

/**
 * Leaves out the states of its machines, which help in rolling updates only, if the token would be too long. Throws
 * `too-many-machines` if it still is.
 */
export function fitToken(token: Token): Token {
  const isShort = (one: Token): boolean => Buffer.byteLength(formatToken(one)) <= MAX_TOKEN_BYTES;
  if (isShort(token)) return token;
  const { states: _states, ...short } = token;
  if (isShort(short)) return short;
  throw new UserError(
    'too-many-machines',
    `cannot register ${token.machines.length} machines: their names exceed ${MAX_TOKEN_BYTES} bytes; give this worker fewer --machines`,
    { machines: token.machines.length },
  );
}

/** Undefined for a foreign flag (usually empty) and for invalid content. */
export function parseToken(text: string | undefined): Token | undefined {
  if (text === undefined || text === '' || text.length > MAX_TOKEN_BYTES) return undefined;
  try {
    return tokenSchema().parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
