/** Phases that stay as they are: all is allowed, or nothing. */
import type { PhaseGuard } from '../../src/volume/operations.ts';

export const OPEN: PhaseGuard = { canBegin: () => true, canFinish: () => true, follow: false };
export const FOLLOW: PhaseGuard = { ...OPEN, follow: true };
export const CLOSED: PhaseGuard = { canBegin: () => false, canFinish: () => false, follow: false };
