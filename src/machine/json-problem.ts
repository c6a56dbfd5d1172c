/** Why a value is no JSON that there is room for. */
import { MAX_DEPTH } from './json-text.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';

/** A payload has to fit into the successor's state file, along with its other keys and one level down. */
const MAX_ANSWER_BYTES: number = MAX_STATE_BYTES - 4096;
const OUTERMOST_LEVEL = 2;
const SHOWN = 200;

/**
 * Why this is no JSON that a state file, or an event, has room for; undefined if it is. `what` it is called, `level`:
 * how far down it is put, 1 for a file's whole content.
 */
export function jsonProblem(
  value: unknown,
  what: string,
  level: number = OUTERMOST_LEVEL,
): string | undefined {
  const problem = findProblem(value, what, level, new Set());
  if (problem !== undefined) return problem;
  return byteLength(JSON.stringify(value)) > MAX_ANSWER_BYTES
    ? `${what} is larger than ${MAX_ANSWER_BYTES} bytes`
    : undefined;
}

function findProblem(
  value: unknown,
  path: string,
  level: number,
  above: Set<object>,
): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') {
    return Number.isFinite(value) ? undefined : `${path} is ${value}, which JSON cannot hold`;
  }
  if (typeof value !== 'object') return `${path} is a ${typeof value}, which JSON cannot hold`;
  if (level > MAX_DEPTH)
    return `${path.slice(0, SHOWN)} is nested more than ${MAX_DEPTH} levels deep`;
  if (above.has(value)) return `${path} contains itself`;
  above.add(value);
  for (const [key, part] of Object.entries(value)) {
    // JSON leaves these out, as everybody knows.
    if (part === undefined && !Array.isArray(value)) continue;
    const problem = findProblem(part, `${path}.${key}`, level + 1, above);
    if (problem !== undefined) return problem;
  }
  above.delete(value);
  return undefined;
}
