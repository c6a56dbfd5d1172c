/** Checks of what sessions on a volume do: when (I4), by which split (I5), and with which lease (I6). */
import { momentAt, type PhaseLengths, type PhaseName } from '../volume/phases/cycle.ts';
import type { Method } from './faults.ts';
import { assign, assignZip, type Split } from '../volume/phases/assignment.ts';
import type { Snapshot } from '../volume/operations.ts';
import type { SimProcess } from './process.ts';

/** I4, by directory and method: the phases in which it may begin. Methods without an entry may begin in any phase. */
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

const CYCLES_KEPT = 4;

/** I5: workers with the same snapshot compute the same split, in whatever order they listed it. */
export class SplitChecker {
  readonly #byCycle = new Map<number, Map<string, { split: string; worker: string }>>();

  /** How this split differs from another worker's of the same snapshot and cycle; undefined if it does not. */
  compare(
    worker: string,
    how: 'slices' | 'zip',
    { roster, tasks, woken }: Snapshot,
    cycle: number,
  ): string | undefined {
    const sameCycle =
      this.#byCycle.get(cycle) ?? new Map<string, { split: string; worker: string }>();
    this.#byCycle.set(cycle, sameCycle);
    if (this.#byCycle.size > CYCLES_KEPT) this.#byCycle.delete(Math.min(...this.#byCycle.keys()));
    const key = JSON.stringify([
      roster.map((entry) => JSON.stringify(entry)).toSorted(),
      tasks.names.map((name) => [name, ...tasks.refusedBy(name).toSorted()].join(' ')).toSorted(),
      how === 'zip' ? [...woken].toSorted() : [],
    ]);
    const split = describe(
      how === 'zip' ? assignZip(roster, tasks, woken, cycle) : assign(roster, tasks, cycle),
    );
    const other = sameCycle.get(key);
    sameCycle.set(key, { split, worker });
    if (other === undefined || other.split === split) return undefined;
    return `expected split ${other.split} as ${other.worker} in cycle ${cycle}, got ${split} by ${worker}`;
  }
}

function describe(split: Split): string {
  return JSON.stringify([...split].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

interface LeaseCheckerOptions {
  /** Milliseconds. */
  readonly lease: number;
  readonly cycle: number;
  /** Some ticks hang: past their deadline, the heartbeat must stop. */
  readonly hangs: boolean;
}

/** I6: the lease of a live session is not broken, and a session whose lease was broken stops. */
export class LeaseChecker {
  readonly #options: LeaseCheckerOptions;
  readonly #now: () => number;
  /** Time at which a session's lease was removed. */
  readonly #gone = new Map<string, number>();

  constructor(now: () => number, options: LeaseCheckerOptions) {
    this.#now = now;
    this.#options = options;
  }

  leaseIsGone(session: string): void {
    this.#gone.set(session, this.#now());
  }

  /** `who` is about to remove the lease of `owner`'s session. */
  breaking(who: SimProcess, session: string, owner: SimProcess): string | undefined {
    if (owner === who || owner.isStopped) return undefined;
    const { lease, hangs } = this.#options;
    const isBusy =
      !hangs &&
      owner.beats &&
      owner.blockedFor > 0 &&
      owner.blockedFor < 1.9 * lease &&
      owner.runsFor > 4 * lease;
    if (!owner.isLively && !isBusy) return undefined;
    const silent = Math.round(this.#now() - owner.lastBeat);
    return `expected the lease of ${session} to stay ${silent} ms after a beat, got ${who.name} breaking it`;
  }

  /** `who` sets a flag: its session's lease must not have been broken. */
  acting(who: SimProcess): string | undefined {
    const session = who.session?.token.session ?? '';
    const gone = this.#gone.get(session);
    const { lease, cycle } = this.#options;
    // The session notices it at its next heartbeat or phase.
    if (gone === undefined || who.stalled || this.#now() - gone < lease / 2 + 2 * cycle) {
      return undefined;
    }
    const late = Math.round(this.#now() - gone);
    return `expected ${session} to stop when its lease was broken, got a flag ${late} ms later`;
  }

  /** `who` beats: not allowed while a tick is long past its deadline. */
  beating(who: SimProcess, timeout: number): string | undefined {
    const { lease } = this.#options;
    const blocked = who.lastBlockedFor;
    if (blocked < timeout + 1.5 * lease) return undefined;
    return `expected ${who.name} to stop beating in a hung tick, got a beat after ${Math.round(blocked)} ms`;
  }
}
