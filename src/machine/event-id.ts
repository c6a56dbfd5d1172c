/**
 * Event ids, and their keys. An id is any text of 1 to 200 characters. A file name cannot hold all of these, so files are
 * named by the key of the id:
 *
 * - An id of at most 36 letters, digits, dots, hyphens and underscores, not beginning with a dot, is its own key.
 * - In others, each byte (UTF-8) that is none of these, and a dot at the beginning, is `%` and two hexadecimal digits.
 * - If that has more than 36 bytes, the key is `%-` and the first 34 hexadecimal digits of the SHA-256 of the id. No
 *   other key begins like this. The event's file then contains the id.
 *
 * Two ids have two keys, unless their SHA-256 collide in 136 bits.
 */
import { createHash } from 'node:crypto';

/** Unicode code points. */
const MAX_ID_CHARACTERS = 200;
/** Bytes: what the time and the longest name of an instance leave of the 255 bytes of a file name. */
export const MAX_KEY_LENGTH = 36;

const DIGEST = '%-';
const PLAIN = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;
const HASHED = new RegExp(`^${DIGEST}[0-9a-f]{${MAX_KEY_LENGTH - DIGEST.length}}$`);
/** `encodeURIComponent` leaves these as they are. */
const LEFT = /^\.|[!~*'()]/g;

/** Why this is not a valid event id, or undefined. */
export function eventIdProblem(id: string): string | undefined {
  const invalid = 'not a valid event id:';
  if (id.includes('\0')) return `${invalid} it contains NUL`;
  if (!id.isWellFormed()) return `${invalid} it contains half of a surrogate pair`;
  // Counts no more than a text can have whose code points are all pairs.
  const isLong = id.length > 2 * MAX_ID_CHARACTERS || Array.from(id).length > MAX_ID_CHARACTERS;
  if (id !== '' && !isLong) return undefined;
  const got = id === '' ? 'none' : `more, beginning with ${JSON.stringify(id.slice(0, 40))}`;
  return `${invalid} expected 1 to ${MAX_ID_CHARACTERS} characters, got ${got}`;
}

/** The part of file names that stands for this id, which must be valid. */
export function eventKey(id: string): string {
  const escaped = encodeURIComponent(id).replace(LEFT, percent);
  if (escaped.length <= MAX_KEY_LENGTH) return escaped;
  const hash = createHash('sha256').update(id).digest('hex');
  return DIGEST + hash.slice(0, MAX_KEY_LENGTH - DIGEST.length);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** True if a key contains a hash of its id, and not the id. */
export function isHashedKey(key: string): boolean {
  return HASHED.test(key);
}

/** The id in a key; undefined if the key is hashed, or is the key of no id. */
export function idInKey(key: string): string | undefined {
  if (key.length > MAX_KEY_LENGTH) return undefined;
  // Most keys are plain, and a listing may have 100,000.
  if (PLAIN.test(key)) return key;
  try {
    const id = decodeURIComponent(key);
    return eventIdProblem(id) === undefined && eventKey(id) === key ? id : undefined;
  } catch {
    return undefined;
  }
}
