/** Names of state files, `INSTANCE.state`, then `INSTANCE.state-1`, `INSTANCE.state-2`, …, and the order of names. */

const SUFFIX = '.state';
/** After the suffix, from the second state file of an instance on. */
const STEP = /^-[1-9]\d*$/;
/** Hidden files, separators, control characters, and U+FFFD, which stands for invalid UTF-8. */
const FORBIDDEN = /^\.|[/\u0000-\u001f\u007f-\u009f\ufffd]/;

/** Leaves room within 255 bytes for the step numbers of successors and for temporary names. */
export const MAX_NAME_BYTES = 200;
/** Most bytes of UTF-8 that a UTF-16 code unit takes. */
const BYTES_PER_UNIT = 3;

export interface StateName {
  readonly instance: string;
  /** 0 for `INSTANCE.state`. */
  readonly step: number;
}

/** Undefined for other files in the directory: they are ignored, and never touched. */
export function parseStateName(fileName: string): StateName | undefined {
  const end = fileName.lastIndexOf(SUFFIX);
  if (end < 1 || FORBIDDEN.test(fileName)) return undefined;
  const instance = fileName.slice(0, end);
  const rest = fileName.slice(end + SUFFIX.length);
  if (rest === '') return { instance, step: 0 };
  const step = STEP.test(rest) ? Number(rest.slice(1)) : Number.NaN;
  return Number.isSafeInteger(step) ? { instance, step } : undefined;
}

export function isStateName(fileName: string): boolean {
  return parseStateName(fileName) !== undefined;
}

export function stateName(instance: string, step: number): string {
  return step === 0 ? `${instance}.state` : `${instance}.state-${step}`;
}

/** The name of the next state file. Throws RangeError if this is not a state file's name. */
export function successorName(fileName: string): string {
  const { instance, step } = requireName(fileName);
  return stateName(instance, step + 1);
}

/** The instance of a branch, which a step of `instance` starts. */
export function branchName(instance: string, step: number, branch: string): string {
  return `${instance}~${step}~${branch}`;
}

const BRANCH = /^(.+)~(0|[1-9]\d*)~[^~]+$/s;

/**
 * The state file whose step leads to this one: its predecessor, or the one that forks. Undefined for the first state file of
 * an instance that is not a branch. A user may choose a name like a branch's; then the record of that step does not have it.
 */
export function originName(fileName: string): string | undefined {
  const { instance, step } = requireName(fileName);
  if (step > 0) return stateName(instance, step - 1);
  const [, forking, number] = BRANCH.exec(instance) ?? [];
  return forking === undefined ? undefined : stateName(forking, Number(number));
}

function requireName(fileName: string): StateName {
  const name = parseStateName(fileName);
  if (name === undefined) throw new RangeError(`"${fileName}" is not a state file's name`);
  return name;
}

/** Why this name is not valid, or undefined. */
export function nameProblem(fileName: string): string | undefined {
  // Most names are short: they need not be encoded.
  if (fileName.length * BYTES_PER_UNIT <= MAX_NAME_BYTES) return undefined;
  const bytes = new TextEncoder().encode(fileName).length;
  return bytes <= MAX_NAME_BYTES
    ? undefined
    : `its name has ${bytes} bytes, more than ${MAX_NAME_BYTES}`;
}

/** Why this cannot have a successor, or undefined. */
export function stepProblem(fileName: string): string | undefined {
  return parseStateName(successorName(fileName)) === undefined
    ? `its step number is the largest possible (${Number.MAX_SAFE_INTEGER}), so it cannot have a successor`
    : undefined;
}

/** Why this is not a valid name of an instance, or undefined. */
export function instanceProblem(instance: string): string | undefined {
  const first = stateName(instance, 0);
  return instance.isWellFormed() && parseStateName(first)?.instance === instance
    ? nameProblem(first)
    : 'expected the part of a file name before .state, without control characters';
}

/**
 * The order of all lists that several workers sort: by code points, like the original. UTF-16 code units would put U+10000
 * before U+E000.
 */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    const [left, right] = [a.charCodeAt(index), b.charCodeAt(index)];
    if (left === right) continue;
    const isLeftSurrogate = left >= 0xd800 && left < 0xe000;
    const isRightSurrogate = right >= 0xd800 && right < 0xe000;
    // A surrogate stands for a code point above all others.
    if (isLeftSurrogate !== isRightSurrogate) return isLeftSurrogate ? 1 : -1;
    return left - right;
  }
  return a.length - b.length;
}
