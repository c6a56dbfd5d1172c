/**
 * A worker session is `NAME.BOOT`, BOOT drawn at every start: a restarted worker never hides what the
 * one before it left behind. Its token is the content of every flag it sets.
 */
import { z } from 'zod';

export interface Token {
  readonly flockwork: 1;
  readonly session: string;
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  /** Tells this process from all others of its host and its boot, where that can be told. */
  readonly process?: string;
  /** ISO 8601; of two live sessions under one name, the later one stops. */
  readonly started: string;
  /** Ticks at a time, and states held at most: what the split goes by. */
  readonly concurrency: number;
  readonly capacity: number;
  /** The machines this worker has: decides whether anybody can run a state. */
  readonly machines: readonly string[];
  /** Of some of these, all their states: what else a state file names, this worker does not know. */
  readonly states?: Readonly<Record<string, readonly string[]>>;
}

/** What others know a session to have. */
export type KnownMachines = Pick<Token, 'machines' | 'states'>;

const tokenSchema: z.ZodType<Token> = z.object({
  flockwork: z.literal(1),
  session: z.string().min(1),
  worker: z.string().min(1),
  host: z.string(),
  pid: z.int(),
  process: z.string().exactOptional(),
  started: z.string(),
  concurrency: z.int().positive(),
  capacity: z.int().positive(),
  machines: z.array(z.string()),
  states: z.record(z.string(), z.array(z.string())).exactOptional(),
});

const BOOT_LENGTH = 8;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** `NAME.BOOT` with a BOOT of 8 letters and digits: 41 bits. */
export function newSessionId(worker: string, random: () => number): string {
  const boot = Array.from(
    { length: BOOT_LENGTH },
    () => LETTERS[Math.floor(random() * LETTERS.length)],
  );
  return `${worker}.${boot.join('')}`;
}

/** A sentence on what is wrong with a worker's name, or undefined. It has to be a file name with room for BOOT. */
export function workerNameProblem(name: string): string | undefined {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name) && name.length <= 100) return undefined;
  return `"${name}" is no worker name: use at most 100 letters, digits, dots, hyphens and underscores, not beginning with a dot or hyphen`;
}

export function formatToken(token: Token): string {
  return `${JSON.stringify(token)}\n`;
}

/** Undefined for a foreign flag (usually empty: presence is what counts) and for garbage. */
export function parseToken(text: string | undefined): Token | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return tokenSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
