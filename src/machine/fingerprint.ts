/** What tells one content of a file from another: kept in records of failures that are the file's. */
import { createHash } from 'node:crypto';

/** Hexadecimal digits: enough that no two contents of one file have the same. */
const DIGITS = 16;

export function fingerprint(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, DIGITS);
}
