/**
 * What a command is given about its step: JSON for its standard input (`inputOf`), a file with the same (`CommandInputs`), and
 * environment variables.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json } from '../machine/definition.ts';
import { byteLength } from '../machine/state-file.ts';
import type { TickTask } from './ports.ts';

/** The input of a command: the same as that of a tick. */
export function inputOf(task: TickTask): Json {
  const { instance, state, payload, attempt, idempotencyKey, machine, sensors, outputs, hook } =
    task;
  const seen = Object.keys(sensors).length > 0 && { sensors: sensors as Json };
  const joined = Object.keys(outputs).length > 0 && { outputs };
  const { from = '', event = '', details = null } = hook ?? {};
  const moved = hook !== undefined && { transition: { from, event, details } };
  return {
    instance,
    machine,
    state,
    payload,
    attempt,
    idempotencyKey,
    ...seen,
    ...joined,
    ...moved,
  };
}

/** Input files of running commands, in a temporary directory that only this user can read. */
export class CommandInputs {
  #directory: string | undefined;
  #count = 0;
  readonly #removeAll = (): void => {
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  };

  /** Resolves to the file's path. Rejects with the error of the file system. */
  async write(text: string): Promise<string> {
    try {
      return await this.#write(text);
    } catch (error) {
      // A service that cleans up temporary directories may have removed this one.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#directory = undefined;
      return this.#write(text);
    }
  }

  async #write(text: string): Promise<string> {
    if (this.#directory === undefined) {
      this.#directory = mkdtempSync(join(tmpdir(), 'flockwork-'));
      process.off('exit', this.#removeAll);
      process.on('exit', this.#removeAll);
    }
    this.#count += 1;
    const path = join(this.#directory, `${this.#count}.json`);
    try {
      await writeFile(path, text, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      await this.remove(path);
      throw error;
    }
    return path;
  }

  /** Never rejects: a file that is left is removed with the directory. */
  async remove(path: string): Promise<void> {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

export type Variables = Readonly<Record<string, string | undefined>>;

const STEP_PREFIX = 'FLOCKWORK_STEP_';
/** Limit of Linux for one variable: name, `=`, value and the final null byte. */
const MAX_VARIABLE_BYTES = 128 * 1024;
/** Of all variables together: the limit of macOS, and half the default of Linux. */
const MAX_TOTAL_BYTES = 1024 * 1024;
/** For the command line and its arguments, and a pointer for each variable. */
const RESERVED_BYTES = 256 * 1024;

export interface Environment {
  /** The worker's own, without its options. */
  readonly inherited: Variables;
  /** Of the activity: overrides everything else. */
  readonly own: Readonly<Record<string, string>>;
  /** The file with the whole input; undefined where none could be written. */
  readonly input: string | undefined;
}

/**
 * The environment variables of a command, limited to what the system accepts. Pure.
 *
 * Always contains the variables that identify the step; the payload and its values only as far as they fit, in bytes.
 * `isMinimal`: without these, for a system whose limit is lower than usual.
 */
export function commandEnvironment(
  task: TickTask,
  { inherited, own, input }: Environment,
  isMinimal: boolean = false,
): Record<string, string> {
  const base = Object.entries(inherited).filter(([name]) => !name.startsWith(STEP_PREFIX));
  const always: [string, string | undefined][] = [
    ['FLOCKWORK_DIR', task.directory],
    [`${STEP_PREFIX}INSTANCE`, task.instance],
    [`${STEP_PREFIX}STATE`, task.state],
    [`${STEP_PREFIX}ATTEMPT`, String(task.attempt)],
    [`${STEP_PREFIX}IDEMPOTENCY_KEY`, task.idempotencyKey],
    [`${STEP_PREFIX}INPUT`, input],
  ];
  const all = new Map(
    [...base, ...always, ...Object.entries(own)].filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
  if (isMinimal) return Object.fromEntries(all);
  let left = MAX_TOTAL_BYTES - RESERVED_BYTES;
  for (const [name, value] of all) left -= sizeOf(name, value);
  for (const [name, value] of payloadVariables(task.payload)) {
    const size = sizeOf(name, value);
    if (all.has(name) || size > MAX_VARIABLE_BYTES || size > left || !canBeVariable(value))
      continue;
    all.set(name, value);
    left -= size;
  }
  return Object.fromEntries(all);
}

/** With `=`, and the byte that ends it. */
function sizeOf(name: string, value: string): number {
  return byteLength(name) + byteLength(value) + 2;
}

/** Half a surrogate pair would arrive as another character; a null character ends the value. */
function canBeVariable(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

/** None for values that are objects, nor for keys that map to the same name. */
function payloadVariables(payload: Json): [name: string, value: string][] {
  const whole: [string, string] = [`${STEP_PREFIX}PAYLOAD`, JSON.stringify(payload)];
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) return [whole];
  const values = Object.entries(payload).map(
    ([key, value]) =>
      [`${STEP_PREFIX}VALUE_${key.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`, value] as const,
  );
  const names = values.map(([name]) => name);
  const unique = new Set(names.filter((name) => names.indexOf(name) === names.lastIndexOf(name)));
  const simple = values.flatMap(([name, value]): [string, string][] => {
    if (!unique.has(name) || (typeof value === 'object' && value !== null)) return [];
    return [[name, String(value)]];
  });
  return [whole, ...simple];
}
