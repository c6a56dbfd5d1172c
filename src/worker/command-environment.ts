/** The environment variables of a command, limited to what the system accepts. Pure. */
import type { Json } from '../machine/definition.ts';
import { byteLength } from '../machine/state-file.ts';
import type { TickTask } from './ports.ts';

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
