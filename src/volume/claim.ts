/** Makes, releases and drops claims. */
import { invariant } from '../machine/invariant.ts';
import { isArchived } from './archive.ts';
import type { PhaseGuard } from './operations.ts';
import { readText, remove, removeIfContent } from './atomic-files.ts';
import type { SessionContext } from './session-context.ts';

/**
 * Claims a state, then checks that it is not settled: another session may have committed and released it since the
 * listing. What a stale cache hides from this check, the link of `done/` decides (I1).
 */
export async function claim(
  context: SessionContext,
  name: string,
  guard: PhaseGuard,
): Promise<'ours' | 'taken' | 'finished' | 'late'> {
  const { layout } = context;
  const flag = layout.flag('in_progress', name);
  context.claims.begin(name);
  // After an error the owner is unknown: `releaseClaim` must read the flag.
  context.doubtful.add(name);
  const outcome = await context.setFlag(flag);
  context.doubtful.delete(name);
  if (outcome === 'taken') return 'taken';
  if (!(await isSettled(context, name))) return 'ours';
  if (await isArchived(context.files, layout, name)) context.reappeared.add(name);
  return (await releaseClaim(context, name, guard.canFinish)) ? 'finished' : 'late';
}

/** Is this state done, wherever its flag is by now, or has it failed? */
export async function isSettled(context: SessionContext, name: string): Promise<boolean> {
  const { files, layout } = context;
  const done = await files.stat(layout.flag('done', name));
  if (done !== undefined) return true;
  // After `done/`: a flag is in the archive long before it leaves `done/`.
  if (await mayBeArchived(context, name)) return true;
  return (await files.stat(layout.flag('failed', name))) !== undefined;
}

/**
 * Is this state in the archive, and has its flag perhaps left `done/`? Asked only if there was an archive at the last look:
 * of a state archived since, the flag stays in `done/` for the rest of the pause.
 */
async function mayBeArchived(context: SessionContext, name: string): Promise<boolean> {
  const { files, layout, noArchive } = context;
  return noArchive.isOld(layout.archive) && isArchived(files, layout, name);
}

/** Where listings are fresh (I8), remembers that there is no archive. */
export async function lookForArchive(context: SessionContext): Promise<void> {
  const { files, layout, noArchive } = context;
  // After an error nothing is known.
  noArchive.end(layout.archive);
  const since = noArchive.now();
  if ((await files.stat(layout.archive)) === undefined) noArchive.begin(layout.archive, since);
}

/** Removes the claim if this session holds it. False if it is too late (I4). */
export async function releaseClaim(
  context: SessionContext,
  name: string,
  may: () => boolean,
): Promise<boolean> {
  const { files, layout, tokenText } = context;
  const flag = layout.flag('in_progress', name);
  // After an error, the flag may be gone, and another session's by now; or this session has never set one.
  const isSure = context.isSafe() && !context.doubtful.has(name) && !context.claims.isOld(name);
  context.claims.end(name);
  if (!isSure) return removeIfContent(files, flag, tokenText, may);
  if (!may()) return false;
  context.doubtful.add(name);
  await remove(files, flag);
  context.doubtful.delete(name);
  return true;
}

/** Removes another session's claim; by name, so that (after a stall) it may remove a newer one: see I6. */
export async function dropClaim(
  context: SessionContext,
  name: string,
  text: string,
  guard: PhaseGuard,
): Promise<boolean> {
  const path = context.layout.flag('in_progress', name);
  const isOther = text !== context.tokenText;
  invariant(isOther, "I6: expected another session's claim", name, context.token.session);
  if ((await readText(context.files, path)) !== text || !guard.canBegin()) return false;
  try {
    await context.files.unlink(path);
    return true;
  } catch {
    // Another session was quicker, or the outcome is unknown: the next listing will tell.
    return false;
  }
}

/**
 * Ages of what a session knows. A commit whose claim is older than a limit is verified against the archive before it counts;
 * that there is no archive is not known for longer.
 */
export class AgeTimer {
  readonly #clocks: readonly (() => number)[];
  readonly #limitMs: number;
  readonly #since = new Map<string, readonly number[]>();

  /**
   * `clocks`: ms. A monotonic clock stands still while its host sleeps, and the wall clock may be set, so a name is old as soon
   * as one of them says so.
   */
  constructor(clocks: readonly (() => number)[], limitMs: number) {
    this.#clocks = clocks;
    this.#limitMs = limitMs;
  }

  /** Readings of all clocks, ms. */
  now(): readonly number[] {
    return this.#clocks.map((clock) => clock());
  }

  /** `since`: readings from before the link that makes the claim, or before the look. */
  begin(name: string, since: readonly number[] = this.now()): void {
    this.#since.set(name, since);
  }

  end(name: string): void {
    this.#since.delete(name);
  }

  /** True for an unknown name, too. */
  isOld(name: string): boolean {
    const since = this.#since.get(name);
    if (since === undefined) return true;
    for (let index = 0; index < since.length; index += 1) {
      if (Math.abs(this.#clocks[index]!() - since[index]!) >= this.#limitMs) return true;
    }
    return false;
  }
}
