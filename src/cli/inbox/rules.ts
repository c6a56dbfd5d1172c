/**
 * A hot folder's rules, as functions of values: what is done with an entry, when its writing counts as finished, and what the
 * file and its instance are called afterwards.
 */
import { MAX_NAME_BYTES, stateName } from '../../machine/name.ts';
import { MAX_STATE_BYTES } from '../../machine/state-file.ts';

/** Folders that an inbox makes for itself. */
export const SUBMITTED = 'submitted';
export const REFUSED = 'refused';

/** `states`: takes `NAME.state`. `each`: takes any file, whose path becomes the payload. */
export type Mode = 'states' | 'each';

export interface Entry {
  /** Bytes that are not UTF-8 read as U+FFFD. */
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

/** Names that programs give to files they are still writing, and junk that file managers leave. */
const TEMPORARY: readonly RegExp[] = [
  // rsync's `.name.XXXXXX`, vim's `.name.swp`, `.nfs…`, `.DS_Store`.
  /^\./,
  /~$/,
  /^~\$/,
  /^#.*#$/,
  /\.(tmp|temp|part|partial|filepart|crdownload|download|opdownload|aria2|sw[a-p])$/i,
  /^(thumbs\.db|desktop\.ini)$/i,
];

/** By its name alone: nothing that an inbox ever takes. */
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

/** What an unchanged file looks like; one that is written to looks different. */
export interface FileSighting {
  readonly looks: string;
  /** Since when it has looked so, on the monotonic clock. */
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
/** The same for a file that is empty, or whose content is cut off or cannot be understood. */
export const PATIENT_MS = 10_000;

export function isFinished({ sinceMs }: FileSighting, nowMs: number, isWhole: boolean): boolean {
  return nowMs - sinceMs >= (isWhole ? STABLE_MS : PATIENT_MS);
}

/** Of its digest in a name: 64 bits. */
export const DIGEST_LENGTH = 16;
/** Bytes of a stem: room for `-DIGEST`, and for the numbers of later steps. */
const MAX_STEM_BYTES: number = MAX_NAME_BYTES / 2;

interface CleanName {
  readonly stem: string;
  /** With its dot; empty for none. */
  readonly extension: string;
}

/**
 * A name that shells, commands and instances take: letters, digits and `._+=,-`, not beginning with a dot or a hyphen; all
 * else becomes `_`.
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

/** The place in `submitted/`: another content, time or name has another digest. */
export function submittedName({ stem, extension }: CleanName, digest: string): string {
  return `${stem}-${digest}${extension}`;
}

const CLAIM = /^\.claim-[0-9a-f]+-([0-9a-f]+)~(.+)$/s;

/**
 * The place in `submitted/` while the content is read: `unique` makes it the claiming worker's own, and `nameDigest` keeps
 * apart what has the same clean name.
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

/** The state file of a file in `submitted/`: its name alone decides, so that every worker says the same. */
export function stateOf(submitted: string, mode: Mode): string {
  const { stem } = cleanName(submitted, mode, MAX_STEM_BYTES + 1 + DIGEST_LENGTH);
  return stateName(stem, 0);
}
