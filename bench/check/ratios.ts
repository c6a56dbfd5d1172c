/** Ratios of processor time: how they follow from rounds, and whether they are worse than those that are stored. */
import { UserError } from '../../src/machine/errors.ts';

/** Processor time of one round, in the same unit. */
export interface RoundPair {
  readonly flockwork: number;
  readonly floor: number;
}

/** Name → processor time of Flockwork over that of the floor. */
export type Ratios = Readonly<Record<string, number>>;

/** What `bench/check.json` holds. */
export interface Stored {
  /** The processor on which the ratios were measured, as the kernel calls it. */
  readonly processor: string;
  readonly ratios: Ratios;
}

/** A change by more than this factor is a slow-down. */
export const MAX_CHANGE = 1.2;
/** On another processor, whose system calls may cost more or less beside its other work, and beside foreign load. */
export const MAX_CHANGE_ELSEWHERE = 1.6;
/** In cores. */
const MAX_FOREIGN = 0.5;

/** `foreign`: the least of the rounds that were measured, in cores. */
export function limitOf(stored: Stored, processor: string, foreign: number): number {
  const isAlike = stored.processor === processor && foreign <= MAX_FOREIGN;
  return isAlike ? MAX_CHANGE : MAX_CHANGE_ELSEWHERE;
}

/**
 * The least of Flockwork over the least of the floor: what disturbs a round only adds to its processor time, so that the
 * least disturbed round of each is compared.
 */
export function ratioOf(rounds: readonly RoundPair[]): number {
  const least = (of: keyof RoundPair): number => Math.min(...rounds.map((round) => round[of]));
  return least('flockwork') / least('floor');
}

/**
 * The ratio over the stored one.
 *
 * @throws UserError `usage` if it is not stored.
 */
export function changeOf(name: string, ratio: number, { ratios }: Stored): number {
  const before = ratios[name];
  if (before !== undefined) return ratio / before;
  const message = `expected a ratio "${name}" in bench/check.json, got ${Object.keys(ratios).join(', ')}`;
  throw new UserError('usage', message);
}
