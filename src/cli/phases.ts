/** Phases and leases: defaults by kind of file system, and those that the user has set. */
import { LOCAL_PHASES, NETWORK_PHASES, type PhaseLengths } from '../volume/phases/cycle.ts';
import type { OptionName, Settings } from './options.ts';

export const PHASES: readonly (keyof PhaseLengths & OptionName)[] = [
  'assignment',
  'commitment',
  'update',
  'buffer',
];

/** Times are milliseconds. */
export interface Timing {
  readonly phases: PhaseLengths;
  readonly lease: number;
}

const LOCAL: Timing = { phases: LOCAL_PHASES, lease: 10_000 };
const NETWORK: Timing = { phases: NETWORK_PHASES, lease: 30_000 };

export function defaultTiming(isNetwork: boolean): Timing {
  return isNetwork ? NETWORK : LOCAL;
}

/** Phase lengths that the user has set. */
export function askedPhases(settings: Settings): Partial<PhaseLengths> {
  return Object.fromEntries(
    PHASES.map((phase) => [phase, settings[phase]]).filter(([, length]) => length !== undefined),
  ) as Partial<PhaseLengths>;
}
