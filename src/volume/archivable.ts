/** Decides which done states may be moved to the archive. Pure: facts and clock readings are passed in. */
import { hash, HASHES } from './phases/hash.ts';

export interface ArchiveRules {
  /** Number of done states that stay, the newest. */
  readonly keep: number;
  /** Milliseconds that a flag must have existed. */
  readonly age: number;
  /** Milliseconds between the two halves of a move: longer than a cache is stale, or than a network delays a request. */
  readonly pause: number;
}

/** Milliseconds, of workers with `--keep`. */
export const ARCHIVE_AGE: number = 3_600_000;
export const ARCHIVE_PAUSE: number = 600_000;

/** Of a session that archives nothing, but respects what others archive. */
export const NO_ARCHIVE: ArchiveRules = {
  keep: Number.POSITIVE_INFINITY,
  age: ARCHIVE_AGE,
  pause: ARCHIVE_PAUSE,
};

/** One done state that is not among the newest, as it was just observed. */
export interface DoneState {
  /** Milliseconds that its flag is known to have existed, at least. */
  readonly known: number;
  readonly hasFailed: boolean;
  readonly isClaimed: boolean;
  /** A session has still staged its record, or that of the step before it: something may be published again. */
  readonly isStaged: boolean;
  /** It leads to a step, or has begun a branch, that is neither done nor archived. */
  readonly isOpen: boolean;
}

export function mayBeArchived(state: DoneState, { age }: ArchiveRules): boolean {
  const { known, hasFailed, isClaimed, isStaged, isOpen } = state;
  return known >= age && !hasFailed && !isClaimed && !isStaged && !isOpen;
}

/** States are archived once there are 1/8 too many: each one costs a stat of eight that stay. */
const SLACK_DIVISOR = 8;

/** How many of `done` states are to be archived. */
export function surplus(done: number, keep: number): number {
  return done > keep + Math.floor(keep / SLACK_DIVISOR) ? done - keep : 0;
}

/** Sort key: milliseconds, with a fraction that orders states of the same instant alike in all sessions. */
export function placeOf(name: string, time: number): number {
  return time + hash(name) / HASHES;
}

/** The place at or below which `part` (0 to 1) of all states are, estimated from a sample of places. */
export function limitOf(places: readonly number[], part: number): number {
  const sorted = [...places].sort((a, b) => a - b);
  return sorted[Math.round(part * sorted.length) - 1] ?? Number.NEGATIVE_INFINITY;
}
