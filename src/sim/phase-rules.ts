/** Checks I4: a table of the operations that may begin in each phase. */
import { momentAt, type PhaseLengths, type PhaseName } from '../volume/phases/cycle.ts';
import type { Method } from './faults.ts';

/** By directory and method. Methods without an entry may begin in any phase. */
const ALLOWED_PHASES: Readonly<Record<string, Partial<Record<Method, readonly PhaseName[]>>>> = {
  in_progress: { link: ['commitment', 'update'], unlink: ['commitment', 'update'] },
  done: { link: ['update'], unlink: ['update'] },
  failed: { link: ['update'], unlink: [] },
  workers: { link: ['update'], unlink: ['commitment', 'update'] },
  waiting: { link: ['update'], unlink: ['update'] },
  events: { link: ['update'], rename: ['update'], unlink: ['update'] },
  outcomes: { link: ['update'], unlink: [] },
  '.': { link: ['update'], unlink: ['update'] },
};
/** Follow-up operations, which may also begin in the buffer after their phase. */
const LANDS_IN_BUFFER = new Set([
  'in_progress/unlink',
  'failed/link',
  './link',
  'workers/unlink',
  'waiting/link',
  'waiting/unlink',
  'events/link',
  'events/rename',
  'events/unlink',
  'outcomes/link',
]);

/** The part of the cycle at `now` if this operation may not begin in it; undefined if it may. */
export function forbiddenPhase(
  phases: PhaseLengths,
  place: string,
  method: Method,
  now: number,
): string | undefined {
  const allowed = ALLOWED_PHASES[place]?.[method];
  if (allowed === undefined) return undefined;
  const { phase, after } = momentAt(phases, now);
  if (phase !== 'buffer') return allowed.includes(phase) ? undefined : phase;
  const canFinish = allowed.includes(after) && LANDS_IN_BUFFER.has(`${place}/${method}`);
  return canFinish ? undefined : `the buffer after ${after}`;
}
