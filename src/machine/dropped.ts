/** Dropped events: files `events/NAME.json` that users write, with the instance in their content. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { eventIdProblem, type EventFile } from './event.ts';
import { parsedJson, parseJson } from './json-text.ts';
import { instanceProblem } from './name.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';
import { lazy } from './lazy.ts';

export interface Dropped {
  readonly id: string;
  /** The instance. */
  readonly to: string;
  readonly file: EventFile;
}

/** U+FFFD stands for invalid UTF-8: such a file cannot be opened by its decoded name. */
const NAME = /^(?!.*\ufffd)[^.].*\.json$/s;
const PROBLEM = '.problem';
const MAX_FILE_NAME_BYTES = 255;
/** Of a generated id: enough to avoid collisions, short enough for a file name. */
const ID_HASH_DIGITS = 30;

const shape = lazy(() => {
  const text = z.string();
  return z.strictObject({
    id: text.exactOptional(),
    to: text,
    event: text.min(1),
    details: parsedJson().exactOptional(),
    originator: text.exactOptional(),
    timestamp: text.exactOptional(),
  });
});

type Read = z.infer<ReturnType<typeof shape>>;

/** Other files in the directory that are not events by their names are ignored, and never touched. */
export function isDroppedName(fileName: string): boolean {
  return NAME.test(fileName);
}

/** `NAME.json~BOOT-N.json`, with a BOOT of 8 letters and digits: any other suffix is of the user's own name. */
const TAKEN = /^(.+\.json)~[a-z0-9]{8}-[1-9]\d*\.json$/s;

/**
 * The name under which a session takes a file before it removes it: a dropped file's, too, so that a file that is left under
 * it is imported. `by`: BOOT-N, unique. Undefined if it would be too long.
 */
export function takenName(fileName: string, by: string): string | undefined {
  const name = `${originalName(fileName)}~${by}.json`;
  return byteLength(name) <= MAX_FILE_NAME_BYTES ? name : undefined;
}

/** The name that the user has given: the id is derived from it. */
function originalName(fileName: string): string {
  return TAKEN.exec(fileName)?.[1] ?? fileName;
}

/** The name of the file that says what is wrong with this one; contains a hash if it would be too long. */
export function problemName(fileName: string): string {
  const name = fileName + PROBLEM;
  return byteLength(name) <= MAX_FILE_NAME_BYTES ? name : `${idOf(fileName, '')}.json${PROBLEM}`;
}

/** The inverse of `problemName`; undefined for other files. */
export function subjectOfProblem(fileName: string): string | undefined {
  if (!fileName.endsWith(PROBLEM)) return undefined;
  const subject = fileName.slice(0, -PROBLEM.length);
  return isDroppedName(subject) ? subject : undefined;
}

/**
 * The event, or a sentence on what is wrong with it. A partial file never parses, since it is one JSON object. Deterministic:
 * the same name and content give the same id on every worker. Never throws.
 */
export function parseDropped(fileName: string, content: string): Dropped | string {
  if (byteLength(content) > MAX_STATE_BYTES) return `larger than ${MAX_STATE_BYTES} bytes`;
  const parsed = parseJson(content);
  if (!parsed.ok) return parsed.reason;
  const checked = shape().safeParse(parsed.value);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
    return `${where}${issue.message}; expected { "to": …, "event": …, "details"?: …, "id"?: … }`;
  }
  // The parsed value, not zod's copy: a `__proto__` in the details is data.
  const {
    id = idOf(originalName(fileName), content),
    to,
    ...file
  } = parsed.value as unknown as Read;
  const problem = eventIdProblem(id);
  if (problem !== undefined) return `"id": ${problem}`;
  const badInstance = instanceProblem(to);
  return badInstance === undefined
    ? { id, to, file }
    : `"to": not a valid instance: ${badInstance}`;
}

function idOf(fileName: string, content: string): string {
  const hash = createHash('sha256').update(`${fileName}\0${content}`).digest('hex');
  return `file-${hash.slice(0, ID_HASH_DIGITS)}`;
}
