/** What is measured on a volume: plain data, all of it optional but the file system. Times are milliseconds. */
import type { PhaseLengths } from '../semaphore/cycle.ts';
import type { FileSystem } from './file-system.ts';

/** Making a directory of one's own in the volume: the errno where that failed. */
export interface Writable {
  readonly errno: string | undefined;
}

/** A directory made as workers make theirs: with the volume's mode. */
export interface Modes {
  readonly wanted: number;
  readonly got: number | undefined;
  readonly errno: string | undefined;
}

export interface Links {
  /** Of the first link; undefined: it was made. */
  readonly errno: string | undefined;
  /** Of the second link to the same name; undefined: it was granted as well. */
  readonly refusal: string | undefined;
  /** The name still holds what the first link gave it. */
  readonly kept: boolean;
  /** As stat counts; 2 is true. */
  readonly count: number;
}

/** How many names one file may have, as far as it was tried. */
export interface LinkLimit {
  readonly reached: number;
  /** Of the first name too many; undefined: there was none. */
  readonly errno: string | undefined;
}

/** Written, synced, and read back. */
export interface Durable {
  readonly intact: boolean;
  readonly fileErrno: string | undefined;
  readonly directoryErrno: string | undefined;
}

/** Is a name in the very next listing by who made it? */
export interface Listing {
  readonly fresh: boolean;
}

export interface Race {
  readonly processes: number;
  readonly mounts: number;
  readonly rounds: number;
  readonly planned: number;
  /** Rounds in which at least two attempts overlapped in time. */
  readonly contested: number;
  readonly twoWinners: number;
  readonly noWinner: number;
  /** Rounds whose name holds something else than what its winner put there. */
  readonly overturned: number;
  /** What losers were told: errno → how often. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Bounds of "volume time minus local wall clock", as seen through one mount. */
export interface Offset {
  readonly low: number;
  readonly high: number;
}

export interface Stamps {
  /** One for each mount. */
  readonly offsets: readonly Offset[];
  /** What a session would have after its first writes; Infinity: no stamp made sense. */
  readonly uncertainty: number;
  /** All stamps are multiples of this; 0 if they are finer than a millisecond. */
  readonly granularity: number;
}

export const OPERATIONS = [
  'create',
  'fsync file',
  'overwrite',
  'read',
  'stat',
  'link',
  'fsync directory',
  'list',
  'rename',
  'unlink',
] as const;
export type Operation = (typeof OPERATIONS)[number];

export interface Latency {
  readonly operation: Operation;
  readonly median: number;
  readonly p95: number;
  readonly count: number;
}

/** How somebody else may come to know of a change. */
export const VISIBILITY_CHECKS = ['listing', 'stat', 'content'] as const;
export type VisibilityCheck = (typeof VISIBILITY_CHECKS)[number];

export interface Visibility {
  readonly mounts: number;
  /** The longest delay seen; Infinity: not within the limit. */
  readonly longest: Readonly<Record<VisibilityCheck, number>>;
  /** How long was waited at most. */
  readonly limit: number;
  readonly rounds: number;
}

export interface NameSupport {
  readonly caseSensitive: boolean;
  /** The errno for a name of 255 bytes. */
  readonly longErrno: string | undefined;
  /** A name in UTF-8 is listed as it was given. */
  readonly utf8: boolean;
}

export interface Replacing {
  /** Renaming onto a file: undefined if it replaced it. */
  readonly renameErrno: string | undefined;
  readonly replaced: boolean;
  /** Removing a directory that is not empty: undefined if it was removed. */
  readonly removeErrno: string | undefined;
}

export interface Measured {
  readonly fileSystem: FileSystem;
  readonly writable?: Writable;
  readonly modes?: Modes;
  readonly links?: Links;
  readonly linkLimit?: LinkLimit;
  readonly durable?: Durable;
  readonly listing?: Listing;
  readonly race?: Race;
  readonly stamps?: Stamps;
  readonly latency?: readonly Latency[];
  readonly visibility?: Visibility;
  readonly names?: NameSupport;
  readonly replacing?: Replacing;
  /** What a first worker has written down already. */
  readonly phases?: PhaseLengths;
  readonly lease?: number;
}
