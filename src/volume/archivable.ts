/**
 * What may leave the root and `done/` for the archive: decided from facts, and from nobody's clock but the
 * ones that are given.
 */
import { hash, HASHES } from './phases/hash.ts';

export interface ArchiveRules {
  /** So many done states stay, the newest. */
  readonly keep: number;
  /** Milliseconds that a flag has to have been there. */
  readonly age: number;
  /**
   * Milliseconds between the two halves of a move: longer than a cache is old, or than a network holds a
   * request back.
   */
  readonly pause: number;
}

/** How workers do it; `--keep` says how many. */
export const ARCHIVE_AGE: number = 3_600_000;
export const ARCHIVE_PAUSE: number = 600_000;

/** Who archives nothing still respects what others archive. */
export const NO_ARCHIVE: ArchiveRules = {
  keep: Number.POSITIVE_INFINITY,
  age: ARCHIVE_AGE,
  pause: ARCHIVE_PAUSE,
};

/** One done state that is not among the newest, as it was just seen. */
export interface DoneState {
  /** Milliseconds that its flag is known to have been there, at least. */
  readonly known: number;
  readonly hasFailed: boolean;
  readonly isClaimed: boolean;
  /** A session still has the record of it, or of the step before it: something may yet be published again. */
  readonly isOwed: boolean;
  /** It leads to a step, or has begun a branch, that is neither done nor archived. */
  readonly isOpen: boolean;
}

export function mayBeArchived(state: DoneState, { age }: ArchiveRules): boolean {
  const { known, hasFailed, isClaimed, isOwed, isOpen } = state;
  return known >= age && !hasFailed && !isClaimed && !isOwed && !isOpen;
}

/** Only when an eighth too many are there, they go: each that goes costs a look at eight that stay. */
const SLACK = 8;

/** How many of so many done states are to go. */
export function surplus(done: number, keep: number): number {
  return done > keep + Math.floor(keep / SLACK) ? done - keep : 0;
}

/** Milliseconds; states of the same instant have an order too, the same for everybody. */
export function placeOf(name: string, time: number): number {
  return time + hash(name) / HASHES;
}

/** The place below which `part` of all are, by a sample of their places: 1 is all of them, 0 none. */
export function limitOf(places: readonly number[], part: number): number {
  const sorted = [...places].sort((a, b) => a - b);
  return sorted[Math.round(part * sorted.length) - 1] ?? Number.NEGATIVE_INFINITY;
}
