/** Events that people drop into `events/` under names of their own: `NAME.json`, which says for whom it is. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { eventIdProblem, type EventFile } from './event.ts';
import { parsedJson, parseJson } from './json-text.ts';
import { instanceProblem } from './name.ts';
import { byteLength, MAX_STATE_BYTES } from './state-file.ts';

export interface Dropped {
  readonly id: string;
  /** The instance. */
  readonly to: string;
  readonly file: EventFile;
}

/** Not what is no UTF-8: nobody could open it by its name. */
const NAME = /^(?!.*\ufffd)[^.].*\.json$/s;
const PROBLEM = '.problem';
/** Bytes of a file's name. */
const MAX_FILE_NAME_BYTES = 255;
/** Of an id made here: enough that no two are the same, and short enough for a name. */
const ID_HASH_DIGITS = 30;

const text = z.string();
const shape = z.strictObject({
  id: text.exactOptional(),
  to: text,
  event: text.min(1),
  details: parsedJson.exactOptional(),
  originator: text.exactOptional(),
  timestamp: text.exactOptional(),
});

type Read = z.infer<typeof shape>;

/** Whatever else is in the directory, and is no event by its name, is ignored, and never touched. */
export function isDroppedName(fileName: string): boolean {
  return NAME.test(fileName);
}

/** Of the file that says what is wrong with this one; where that would be too long, by a hash. */
export function problemName(fileName: string): string {
  const name = fileName + PROBLEM;
  return byteLength(name) <= MAX_FILE_NAME_BYTES ? name : `${idOf(fileName, '')}.json${PROBLEM}`;
}

/** The file that this one says what is wrong with; undefined if it is none of those. */
export function subjectOfProblem(fileName: string): string | undefined {
  if (!fileName.endsWith(PROBLEM)) return undefined;
  const subject = fileName.slice(0, -PROBLEM.length);
  return isDroppedName(subject) ? subject : undefined;
}

/**
 * A sentence on what is wrong with it, if anything is. What is half there never parses: it is one JSON object. The same
 * name and content are the same event, whoever reads it, and however often. Never throws.
 */
export function parseDropped(fileName: string, content: string): Dropped | string {
  if (byteLength(content) > MAX_STATE_BYTES) return `larger than ${MAX_STATE_BYTES} bytes`;
  const parsed = parseJson(content);
  if (!parsed.ok) return parsed.reason;
  const checked = shape.safeParse(parsed.value);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    const where = issue.path.length === 0 ? '' : `"${issue.path.join('.')}": `;
    return `${where}${issue.message}; it says { "to": …, "event": …, "details"?: …, "id"?: … }`;
  }
  // What was read itself, not zod's copy: a `__proto__` in the details is data.
  const { id = idOf(fileName, content), to, ...file } = parsed.value as unknown as Read;
  const problem = eventIdProblem(id);
  if (problem !== undefined) return `"id": ${problem}`;
  const badInstance = instanceProblem(to);
  return badInstance === undefined ? { id, to, file } : `"to": no instance: ${badInstance}`;
}

function idOf(fileName: string, content: string): string {
  const hash = createHash('sha256').update(`${fileName}\0${content}`).digest('hex');
  return `file-${hash.slice(0, ID_HASH_DIGITS)}`;
}
