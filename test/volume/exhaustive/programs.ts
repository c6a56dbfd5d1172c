/** Programs of the actors: the project's own claim, commit and recovery, each cut where its state is known. */
import { hash } from '../../../src/volume/phases/hash.ts';
import { claim } from '../../../src/volume/claim.ts';
import { commit } from '../../../src/volume/commit.ts';
import type { Step, PhaseGuard } from '../../../src/volume/operations.ts';
import { LeaseWatch } from '../../../src/volume/lease-watch.ts';
import { Recoverer } from '../../../src/volume/recovery.ts';
import { AskingFiles, type Ask } from './asking-files.ts';
import { OVER, type Program } from './automaton.ts';
import { CLOSED, LAYOUT, LEASE, memberOf, OPEN, STATE, stepOf } from './scenario.ts';

/** A session's whole state between two calls of `claim` or `commit`; as JSON, the name of the place. */
interface Place {
  /** Number of the tick. */
  readonly tick: number;
  /** Undefined: not claimed yet. */
  readonly step: Pick<Step, 'progress' | 'staged' | 'lost' | 'followed'> | undefined;
  /** The only part of a `SessionContext` that matters here. */
  readonly stagingMade: boolean;
}

/** The phase ends after staging, to make the pieces small enough; the next phase continues. */
const windowOf = (progress: Step['progress'], follow: boolean): PhaseGuard =>
  progress === 'new' ? CLOSED : { ...OPEN, follow };

/**
 * One session: claims the state, ticks it, and commits in as many calls as necessary; then again, as if from a stale
 * listing that shows the state as available, `ticks` times in all. A failed claim is repeated for ever.
 */
export function attempt(session: string, ticks: number, follow: boolean): Program {
  async function run({ tick, step, stagingMade }: Place, ask: Ask): Promise<Place | undefined> {
    let current: Ask = async () => 'ok';
    const context = memberOf(new AskingFiles(LAYOUT, (op) => current(op)), session);
    if (stagingMade) await context.ensureStaging();
    current = ask;
    if (step === undefined) {
      const outcome = await claim(context, STATE, OPEN).catch(() => 'unknown');
      const taken = outcome === 'ours' ? stepOf({ session, number: tick }) : undefined;
      return { tick, step: taken && progressOf(taken), stagingMade };
    }
    const settled: Step = { ...stepOf({ session, number: tick }), ...step };
    await commit(context, [settled], windowOf(step.progress, follow));
    let isMade = true;
    current = async () => ((isMade = false), 'ok');
    await context.ensureStaging();
    if (settled.progress !== 'settled') {
      return { tick, step: progressOf(settled), stagingMade: isMade };
    }
    return tick < ticks ? { tick: tick + 1, step: undefined, stagingMade: isMade } : undefined;
  }

  return {
    start: JSON.stringify({ tick: 1, step: undefined, stagingMade: false } satisfies Place),
    run: async (place, ask) => {
      const next = await run(JSON.parse(place) as Place, ask);
      return next === undefined ? OVER : JSON.stringify(next);
    },
  };
}

const progressOf = ({ progress, staged, lost, followed }: Step): Place['step'] => ({
  progress,
  staged,
  lost,
  followed,
});

const REAPER = 'reaper';
/** In this cycle, the first by name of up to four live sessions owns every key: the reaper. */
const CYCLE = 12 - (hash(STATE) % 12);

/** One Update System of a session that considers `victim` dead, whether it is or not. */
export function reap(victim: string): Program {
  return {
    start: 'recover',
    run: async (_place, ask) => {
      let now = 0;
      const files = new AskingFiles(LAYOUT, ask, { victim, hidden: REAPER });
      const context = memberOf(files, REAPER);
      const leases = new LeaseWatch(context, LEASE, () => now);
      const recoverer = new Recoverer(context, leases, LEASE, () => now);
      await recoverer.observe();
      now = LEASE;
      // An error ends the round; the next round starts anew.
      await recoverer.recover(CYCLE, OPEN).catch(() => undefined);
      return OVER;
    },
  };
}
