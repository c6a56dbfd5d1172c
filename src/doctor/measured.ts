/** Measurements of a volume: plain data, optional except for the file system. Times are milliseconds. */
import type { PhaseLengths } from '../volume/phases/cycle.ts';
import type { FileSystem } from './file-system.ts';

/** Creating a directory in the volume; undefined: it succeeded. */
export interface Writable {
  readonly errno: string | undefined;
}

/** Mode of a directory that was created as workers do, with the volume's mode. */
export interface Modes {
  readonly wanted: number;
  readonly got: number | undefined;
  readonly errno: string | undefined;
}

export interface Links {
  /** Of the first link; undefined: it was created. */
  readonly errno: string | undefined;
  /** Errno of the second link to the same name; undefined: it was granted as well. */
  readonly refusal: string | undefined;
  /** The name still holds what the first link gave it. */
  readonly kept: boolean;
  /** Link count of stat; 2 is correct. */
  readonly count: number;
}

/** How many names one file may have. */
export interface LinkLimit {
  readonly reached: number;
  /** Of the first refused name; undefined: none was refused. */
  readonly errno: string | undefined;
}

/** Written, synced, and read back. */
export interface Durable {
  readonly intact: boolean;
  readonly fileErrno: string | undefined;
  readonly directoryErrno: string | undefined;
}

/** Whether a new name is in the creating process's next listing. */
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
  /** Rounds whose name has other content than its winner's. */
  readonly overturned: number;
  /** Errno of the losers → count. */
  readonly refusals: Readonly<Record<string, number>>;
}

/** Bounds of "volume time − local wall clock" through one mount. */
export interface Offset {
  readonly low: number;
  readonly high: number;
}

export interface Stamps {
  /** One for each mount. */
  readonly offsets: readonly Offset[];
  /** Of a session after its first writes; Infinity: no stamp was plausible. */
  readonly uncertainty: number;
  /** All stamps are multiples of this; 0: finer than a millisecond. */
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

/** How another process can notice a change. */
export const VISIBILITY_CHECKS = ['listing', 'stat', 'content'] as const;
export type VisibilityCheck = (typeof VISIBILITY_CHECKS)[number];

export interface Visibility {
  readonly mounts: number;
  /** The longest delay; Infinity: longer than `limit`. */
  readonly longest: Readonly<Record<VisibilityCheck, number>>;
  readonly limit: number;
  readonly rounds: number;
}

export interface NameSupport {
  readonly caseSensitive: boolean;
  /** Errno for a name of 255 bytes. */
  readonly longErrno: string | undefined;
  /** A UTF-8 name is listed unchanged. */
  readonly utf8: boolean;
}

export interface Replacing {
  /** Of a rename onto an existing file. */
  readonly renameErrno: string | undefined;
  readonly replaced: boolean;
  /** Of removing a directory that is not empty; undefined: it was removed. */
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
  /** As stored in the volume by its first worker. */
  readonly phases?: PhaseLengths;
  readonly lease?: number;
}
