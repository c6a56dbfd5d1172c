/** Phases that the user has set. */
import type { PhaseLengths } from '../volume/phases/cycle.ts';
import type { OptionName, Settings } from './options.ts';

export const PHASES: readonly (keyof PhaseLengths & OptionName)[] = [
  'assignment',
  'commitment',
  'update',
  'buffer',
];

/** Phase lengths that the user has set. */
export function askedPhases(settings: Settings): Partial<PhaseLengths> {
  return Object.fromEntries(
    PHASES.map((phase) => [phase, settings[phase]]).filter(([, length]) => length !== undefined),
  ) as Partial<PhaseLengths>;
}
