/** Programs of the actors: the project's own claim, commit and recovery, each cut where its state is known. */
import { hash } from '../../../src/volume/phases/hash.ts';
import { claim } from '../../../src/volume/claim.ts';
import { commit } from '../../../src/volume/commit.ts';
import type { VolumeSettlement, PhaseGuard } from '../../../src/volume/operations.ts';
import { LeaseWatch } from '../../../src/volume/lease-watch.ts';
import { Recoverer } from '../../../src/volume/recovery.ts';
import { AskingFiles, type Ask } from './asking-files.ts';
import { OVER, type Program } from './automaton.ts';
import { LAYOUT, LEASE, memberOf, STATE, stepOf } from './scenario.ts';
import { CLOSED, OPEN } from '../guards.ts';

/** State of a session between two calls of `claim` or `commit`; as JSON, the name of the place. */
interface Place {
  /** Which time it ticks the state. */
  readonly tick: number;
  /** Undefined: it has yet to claim it. */
  readonly step: Pick<VolumeSettlement, 'progress' | 'staged' | 'lost' | 'followed'> | undefined;
  /** The one thing that a `SessionContext` remembers and that matters here. */
  readonly stagingMade: boolean;
}

/** The phase ends after staging, which makes the pieces small enough; the next one goes on from there. */
const windowOf = (progress: VolumeSettlement['progress'], follow: boolean): PhaseGuard =>
  progress === 'new' ? CLOSED : { ...OPEN, follow };

/**
 * A session at work on the state: claim it, tick it, and commit in as many calls as it takes; then, on a
 * listing that shows it as available still, again, `ticks` times in all. If a claim comes to nothing it
 * tries once more, for ever.
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
    // Its flag was tried, or it would not have come so far.
    const tried = step.progress === 'committed' || step.progress === 'published';
    const settled: VolumeSettlement = { ...stepOf({ session, number: tick }), ...step, tried };
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

const progressOf = ({ progress, staged, lost, followed }: VolumeSettlement): Place['step'] => ({
  progress,
  staged,
  lost,
  followed,
});

const REAPER = 'reaper.1';
/** In this cycle the first by name among up to four live sessions, the reaper, owns every key. */
const CYCLE = 12 - (hash(STATE) % 12);

/** One Update System of a session that considers `victim` dead, whatever that one is doing. */
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
      // A call that fails ends it; the next one begins from what is there.
      await recoverer.recover(CYCLE, OPEN).catch(() => undefined);
      return OVER;
    },
  };
}
