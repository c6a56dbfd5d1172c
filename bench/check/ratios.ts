/** Ratios of processor time: how they follow from rounds, and whether they are worse than those that are stored. */
import { UserError } from '../../src/machine/errors.ts';

/** Processor time of one round, in the same unit. */
export interface RoundPair {
  readonly flockwork: number;
  readonly floor: number;
}

/** Name → processor time of Flockwork over that of the floor. */
export type Ratios = Readonly<Record<string, number>>;

/** A change by this factor is a slow-down. */
export const MAX_CHANGE = 1.15;

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
export function changeOf(name: string, ratio: number, stored: Ratios): number {
  const before = stored[name];
  if (before !== undefined) return ratio / before;
  const message = `expected a ratio "${name}" in bench/check.json, got ${Object.keys(stored).join(', ')}`;
  throw new UserError('usage', message);
}
