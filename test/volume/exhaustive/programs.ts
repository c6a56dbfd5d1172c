/** What the actors run: the project's own claim, commit and recovery, each cut where its state is known. */
import { hash } from '../../../src/semaphore/hash.ts';
import { claim } from '../../../src/volume/claim.ts';
import { commit } from '../../../src/volume/commit.ts';
import type { Step, Window } from '../../../src/volume/contract.ts';
import { Recoverer } from '../../../src/volume/recovery.ts';
import { AskingFiles, type Ask } from './asking-files.ts';
import { OVER, type Program } from './automaton.ts';
import { LAYOUT, LEASE, memberOf, OPEN, STATE, stepOf } from './scenario.ts';

const CLAIM = 'claim';

/** All that is known of a step between two calls of `commit`: it is the name of the place (as JSON). */
interface Place extends Pick<Step, 'progress' | 'lost' | 'followed'> {
  /** The one thing that a `Member` remembers and that matters here. */
  readonly stagingMade: boolean;
}

/** The phase ends after each stage of a commit, so that each is a piece of its own; the next goes on. */
const WINDOWS: Readonly<Record<Step['progress'], Pick<Window, 'mayStart' | 'mayLand'>>> = {
  new: { mayStart: () => false, mayLand: () => false },
  staged: { mayStart: () => true, mayLand: () => false },
  committed: { mayStart: () => true, mayLand: () => true },
  published: { mayStart: () => false, mayLand: () => false },
  settled: { mayStart: () => false, mayLand: () => false },
};

/**
 * A session at work on the state: claim it, tick it, and commit in as many calls as it takes. If the claim
 * comes to nothing it tries again, for ever; its listings may be of any age.
 */
export function attempt(session: string, follow: boolean): Program {
  async function take(ask: Ask): Promise<string> {
    const member = memberOf(new AskingFiles(LAYOUT, ask), session);
    const outcome = await claim(member, STATE).catch(() => 'unknown');
    const place: Place = { progress: 'new', lost: false, followed: false, stagingMade: false };
    return outcome === 'ours' ? JSON.stringify(place) : CLAIM;
  }

  async function settle(before: Place, ask: Ask): Promise<string> {
    let current = ask;
    const member = memberOf(new AskingFiles(LAYOUT, (op) => current(op)), session);
    if (before.stagingMade) {
      current = async () => 'ok';
      await member.ensureStaging();
      current = ask;
    }
    const { progress, lost, followed } = before;
    const step: Step = { ...stepOf(session), progress, lost, followed };
    await commit(member, [step], { ...WINDOWS[progress], follow });
    if (step.progress === 'settled') return OVER;
    let stagingMade = true;
    current = async () => ((stagingMade = false), 'ok');
    await member.ensureStaging();
    const after: Place = {
      progress: step.progress,
      lost: step.lost,
      followed: step.followed,
      stagingMade,
    };
    return JSON.stringify(after);
  }

  return {
    start: CLAIM,
    run: (place, ask) => (place === CLAIM ? take(ask) : settle(JSON.parse(place) as Place, ask)),
  };
}

const REAPER = 'reaper';
/** In this cycle every chore is that of the first by name among up to four living: the reaper. */
const CYCLE = 12 - (hash(STATE) % 12);

/** One Update System of somebody who takes `victim` for dead, whatever that one is doing. */
export function reap(victim: string): Program {
  return {
    start: 'recover',
    run: async (_place, ask) => {
      let now = 0;
      const files = new AskingFiles(LAYOUT, ask, { victim, hidden: REAPER });
      const recoverer = new Recoverer(memberOf(files, REAPER), LEASE, () => now);
      await recoverer.observe();
      now = LEASE;
      // A call that fails ends it; the next one begins from what is there.
      await recoverer.recover(CYCLE, OPEN).catch(() => undefined);
      return OVER;
    },
  };
}
