/** A hash of a file's content, kept in the failure record of an invalid file to notice when the file changes. */
import { hash } from 'node:crypto';

/** 64 bits: enough for the contents of one file. */
const HEX_DIGITS = 16;

export function fingerprint(bytes: Uint8Array): string {
  return hash('sha256', bytes).slice(0, HEX_DIGITS);
}
