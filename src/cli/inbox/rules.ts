/**
 * A hot folder's rules: what to do with an entry, when its writing counts as finished, and the names of the file and its
 * instance. Pure.
 */
import { MAX_NAME_BYTES, stateName } from '../../machine/name.ts';
import { MAX_STATE_BYTES } from '../../machine/state-file.ts';

/** Folders that an inbox creates in itself. */
export const SUBMITTED = 'submitted';
export const REFUSED = 'refused';

/** `states`: takes `NAME.state`. `each`: takes any file, whose path becomes the payload. */
export type Mode = 'states' | 'each';

export interface Entry {
  /** Invalid UTF-8 is read as U+FFFD. */
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly bytes: number;
}

export type InboxDecision =
  | { readonly kind: 'leave' }
  | { readonly kind: 'take' }
  | { readonly kind: 'refuse'; readonly reason: string };

const LEAVE: InboxDecision = { kind: 'leave' };
const EXTENSION = '.state';

/** Names of files that programs are still writing, and of files that file managers leave behind. */
const TEMPORARY: readonly RegExp[] = [
  // rsync's `.name.XXXXXX`, vim's `.name.swp`, `.nfs…`, `.DS_Store`.
  /^\./,
  /~$/,
  /^~\$/,
  /^#.*#$/,
  /\.(tmp|temp|part|partial|filepart|crdownload|download|opdownload|aria2|sw[a-p])$/i,
  /^(thumbs\.db|desktop\.ini)$/i,
];

/** True if an inbox ignores the name. */
export function isLeft(name: string, mode: Mode): boolean {
  if (name === SUBMITTED || name === REFUSED) return true;
  if (TEMPORARY.some((pattern) => pattern.test(name))) return true;
  return mode === 'states' && !name.endsWith(EXTENSION);
}

export function decide({ name, kind, bytes }: Entry, mode: Mode): InboxDecision {
  if (isLeft(name, mode)) return LEAVE;
  if (kind === 'directory' && mode === 'each') return LEAVE;
  const what = {
    file: undefined,
    directory: 'a directory',
    link: 'a symbolic link',
    other: 'a FIFO, socket or device',
  }[kind];
  if (what !== undefined) {
    return { kind: 'refuse', reason: `expected a regular file, got ${what}` };
  }
  if (mode === 'states' && bytes > MAX_STATE_BYTES) {
    const reason = `expected a state file of at most ${MAX_STATE_BYTES} bytes, got ${bytes} bytes`;
    return { kind: 'refuse', reason };
  }
  return { kind: 'take' };
}

/** An observation of a file; `looks` changes when the file is written to. */
export interface FileSighting {
  readonly looks: string;
  /** Since when `looks` is unchanged, on the monotonic clock. */
  readonly sinceMs: number;
}

export function sight(
  previous: FileSighting | undefined,
  looks: string,
  nowMs: number,
): FileSighting {
  return previous?.looks === looks ? previous : { looks, sinceMs: nowMs };
}

/** Milliseconds without a change after which a file's writing counts as finished. */
export const STABLE_MS = 2000;
/** The same for a file that is empty, or whose content is incomplete or invalid. */
export const PATIENT_MS = 10_000;

export function isFinished({ sinceMs }: FileSighting, nowMs: number, isWhole: boolean): boolean {
  return nowMs - sinceMs >= (isWhole ? STABLE_MS : PATIENT_MS);
}

/** Hexadecimal digits of the digest in a name: 64 bits. */
export const DIGEST_LENGTH = 16;
/** Leaves room for `-DIGEST`, and for the numbers of later steps. */
const MAX_STEM_BYTES: number = MAX_NAME_BYTES / 2;

interface CleanName {
  readonly stem: string;
  /** With its dot; empty for none. */
  readonly extension: string;
}

/**
 * A name that is safe for shells, commands and instances: letters, digits and `._+=,-`, without a leading dot or hyphen;
 * other characters become `_`.
 */
export function cleanName(name: string, mode: Mode, maxBytes: number = MAX_STEM_BYTES): CleanName {
  const [, head = name, tail = ''] =
    (mode === 'states' ? /^(.*)(\.state)$/s : /^(.+?)(\.[A-Za-z0-9]{1,16})?$/s).exec(
      name.normalize('NFC'),
    ) ?? [];
  const clean = head.replace(/[^\p{L}\p{N}\p{M}._+=,-]/gu, '_').replace(/^[.-]/, '_');
  return { stem: shortened(clean, maxBytes) || '_', extension: tail };
}

function shortened(text: string, maxBytes: number): string {
  let bytes = 0;
  let kept = '';
  for (const character of text) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept;
}

/** The final name in `submitted/`. The digest depends on content, time and name. */
export function submittedName({ stem, extension }: CleanName, digest: string): string {
  return `${stem}-${digest}${extension}`;
}

const CLAIM = /^\.claim-[0-9a-f]+-([0-9a-f]+)~(.+)$/s;

/**
 * The name in `submitted/` while the content is read. `unique` is the claiming worker's own; `nameDigest` distinguishes files
 * with the same clean name.
 */
export function claimName(
  { stem, extension }: CleanName,
  nameDigest: string,
  unique: string,
): string {
  return `.claim-${unique}-${nameDigest}~${stem}${extension}`;
}

export interface InboxClaim {
  readonly name: string;
  readonly nameDigest: string;
}

/** Undefined for any other name. */
export function parseClaim(fileName: string): InboxClaim | undefined {
  const [, nameDigest, name] = CLAIM.exec(fileName) ?? [];
  return nameDigest === undefined || name === undefined ? undefined : { name, nameDigest };
}

/** The state file of a file in `submitted/`. Depends on the name only, so that all workers agree. */
export function stateOf(submitted: string, mode: Mode): string {
  const { stem } = cleanName(submitted, mode, MAX_STEM_BYTES + 1 + DIGEST_LENGTH);
  return stateName(stem, 0);
}
