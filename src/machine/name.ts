/** State files' names: `INSTANCE.state`, then `INSTANCE.state-1`, `INSTANCE.state-2`, … */

const NAME = /^(.+)\.state(?:-([1-9]\d*))?$/s;
/** Hidden files, separators, control characters, and how a name that is not UTF-8 reads. */
const FORBIDDEN = /^\.|[/\u0000-\u001f\u007f-\u009f\ufffd]/;

/** Every flag has to fit in 255 bytes, its successors' numbers and temporary names included. */
export const MAX_NAME_BYTES = 200;

export interface StateName {
  readonly instance: string;
  /** 0 for `INSTANCE.state`. */
  readonly step: number;
}

/** Undefined for whatever else is in the directory: it is ignored, and never touched. */
export function parseStateName(fileName: string): StateName | undefined {
  const match = NAME.exec(fileName);
  if (match === null || FORBIDDEN.test(fileName)) return undefined;
  const step = match[2] === undefined ? 0 : Number(match[2]);
  return Number.isSafeInteger(step) ? { instance: match[1]!, step } : undefined;
}

export function isStateName(fileName: string): boolean {
  return parseStateName(fileName) !== undefined;
}

export function stateName(instance: string, step: number): string {
  return step === 0 ? `${instance}.state` : `${instance}.state-${step}`;
}

/** The state file that follows this one. Throws RangeError for what is no state file's name. */
export function successorName(fileName: string): string {
  const { instance, step } = requireName(fileName);
  return stateName(instance, step + 1);
}

/** The instance that a fork in a step of `instance` begins. */
export function branchName(instance: string, step: number, branch: string): string {
  return `${instance}~${step}~${branch}`;
}

const BRANCH = /^(.+)~(0|[1-9]\d*)~[^~]+$/s;

/**
 * The state file whose step leads to this one: the one that it follows, or the one that forks. Undefined for a first one
 * that is no branch's. A user may call an instance as a branch would be: then the record of that step does not know it.
 */
export function originName(fileName: string): string | undefined {
  const { instance, step } = requireName(fileName);
  if (step > 0) return stateName(instance, step - 1);
  const [, forking, number] = BRANCH.exec(instance) ?? [];
  return forking === undefined ? undefined : stateName(forking, Number(number));
}

function requireName(fileName: string): StateName {
  const name = parseStateName(fileName);
  if (name === undefined) throw new RangeError(`"${fileName}" is no state file's name`);
  return name;
}

/** A sentence on why this name cannot be used, or undefined. */
export function nameProblem(fileName: string): string | undefined {
  const bytes = new TextEncoder().encode(fileName).length;
  return bytes <= MAX_NAME_BYTES
    ? undefined
    : `its name has ${bytes} bytes; ${MAX_NAME_BYTES} are allowed, so that every flag fits`;
}

/** A sentence on why no step can follow, or undefined. */
export function stepProblem(fileName: string): string | undefined {
  return parseStateName(successorName(fileName)) === undefined
    ? `its step number is the largest that a name can have (${Number.MAX_SAFE_INTEGER}), so nothing could follow it`
    : undefined;
}

/** A sentence on why no instance can be called this, or undefined. */
export function instanceProblem(instance: string): string | undefined {
  const first = stateName(instance, 0);
  return instance.isWellFormed() && parseStateName(first)?.instance === instance
    ? nameProblem(first)
    : 'it has to be what stands before .state in a file name, without control characters';
}
