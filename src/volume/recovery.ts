/**
 * Finishing for the dead; `lease-watch.ts` says who that is. A dead session's lease is broken first, so that it learns of it
 * when it comes back; then its claims are dropped, and what it had staged is finished from the records (the sweep). All of
 * it may be done by several workers at once, or half, and again.
 */
import { isStateName } from '../machine/name.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { hash } from './phases/hash.ts';
import { ownsKey } from './phases/ownership.ts';
import { isArchived } from './archive.ts';
import { clearAttempts, countAttempt, removeAttempts } from './attempts.ts';
import { dropClaim, isSettled, releaseClaim } from './claim.ts';
import { publishFromRecord } from './commit.ts';
import type { Recovering, Recovery, PhaseGuard } from './operations.ts';
import { listOrNone, readFlag, readText, remove, removeIfContent } from './atomic-files.ts';
import type { LeaseWatch } from './lease-watch.ts';
import { sessionOfTokenFile, type SessionContext } from './session-context.ts';
import { removeStaging, stagedFiles, stagedStates } from './staging.ts';
import { MAX_TOKEN_BYTES, parseToken, type Token } from './token.ts';
import { canNeverCommit } from './outcomes.ts';
import { sweepWaiting } from './waiting.ts';

interface Claim {
  readonly name: string;
  readonly text: string;
  readonly token: Token;
}

/** Is this state, or this staged file, for us to deal with? */
type IsMine = (key: string) => boolean;

/**
 * Claims are looked through so many times a lease, for those that nobody would let go of; deaths known meanwhile
 * make it at once, and have all of them read.
 */
const SCANS_PER_LEASE = 4;
/** A claim that stays is read again after so many: its name may have been claimed anew in between. */
const SCANS_TRUSTED = 16;

type Report = Record<'broken' | 'dropped' | 'finished' | 'of', string[]> &
  Pick<Recovery, 'foreign'>;
const noReport = (
  foreign: readonly string[],
): { -readonly [Key in keyof Report]: Report[Key] } => ({
  broken: [],
  dropped: [],
  finished: [],
  of: [],
  foreign,
});
const sizeOf = ({ broken, dropped, finished }: Report): number =>
  broken.length + dropped.length + finished.length;

export class Recoverer {
  readonly #context: SessionContext;
  readonly #lease: number;
  readonly #monotonic: () => number;
  readonly #leases: LeaseWatch;
  /** As they were read last: of others, and ours. */
  #claims: Claim[] = [];
  #own: string[] = [];
  /** States that another program has claimed. */
  #foreign: readonly string[] = [];
  /** Those of ours that nobody here knew of then. */
  #strays = new Set<string>();
  #scanned = Number.NEGATIVE_INFINITY;
  #scans = 0;
  /** Names of all claims at the last scan. */
  #listed = new Set<string>();
  /** What was staged by sessions that are dead, and is dealt with; others in the same file may not be. */
  readonly #swept = new Set<string>();

  constructor(context: SessionContext, leases: LeaseWatch, lease: number, monotonic: () => number) {
    this.#context = context;
    this.#leases = leases;
    this.#lease = lease;
    this.#monotonic = monotonic;
  }

  /** Looks at every lease there is. Changes nothing, so any phase will do. */
  observe(): Promise<void> {
    const claimants = this.#claims.map((claim) => claim.token.session);
    return this.#leases.observe([...claimants, ...this.#context.registered]);
  }

  /** In Update System only: see I4. */
  async recover(
    cycle: number,
    guard: PhaseGuard,
    { isHeld = () => true, all = false }: Recovering = {},
  ): Promise<Omit<Recovery, 'passedOver'>> {
    const { session: self } = this.#context.token;
    const leases = this.#leases;
    const isMyPart = (key: string): boolean => all || ownsKey(key, self, leases.living(), cycle);
    if (leases.isDue) await this.observe();
    const dead = leases.dead();
    const report = noReport(this.#foreign);
    const due = this.#monotonic() - this.#scanned >= this.#lease / SCANS_PER_LEASE;
    if (dead.length === 0 && !due) return report;
    await this.#scanClaims(dead.length > 0);
    report.foreign = this.#foreign;
    await this.#dropStrays(isHeld, guard);
    await this.#sweepAttempts(isMyPart, guard);
    await sweepWaiting(this.#context, (name) => isMyPart(name) && guard.canBegin());
    for (const session of dead) {
      const isStill = await leases.isDeadNow(session);
      if (!guard.canBegin()) return report;
      if (!isStill) continue;
      const before = sizeOf(report);
      await this.#context.passedOver.guard(`.flockwork/*/${session}`, () =>
        this.#finishFor(session, isMyPart, guard, report),
      );
      if (sizeOf(report) > before) report.of.push(session);
    }
    return report;
  }

  async #finishFor(
    session: string,
    isMyPart: IsMine,
    guard: PhaseGuard,
    report: Report,
  ): Promise<void> {
    if (await this.#breakLease(session, guard)) report.broken.push(session);
    await this.#dropClaims(session, isMyPart, guard, report.dropped);
    await this.#sweep(session, isMyPart, guard, report.finished);
    await this.#forget(session);
  }

  /** Without a death, only what is there for the second time is read: most claims come and go. */
  async #scanClaims(all: boolean): Promise<void> {
    const { files, layout, token: own } = this.#context;
    const names = (await listOrNone(files, layout.flags('in_progress'))).filter(isStateName);
    const known = new Map(this.#claims.map((claim) => [claim.name, claim]));
    const claims: Claim[] = [];
    const foreign: string[] = [];
    this.#own = [];
    this.#scans += 1;
    for (const name of names) {
      if (!all && !this.#listed.has(name)) continue;
      const before = known.get(name);
      const isDue = (hash(name) + this.#scans) % SCANS_TRUSTED === 0;
      if (before !== undefined && !all && !isDue) {
        claims.push(before);
        continue;
      }
      let text: string | undefined;
      await this.#context.passedOver.guard(`in_progress/${name}`, async () => {
        text = await readFlag(files, layout.flag('in_progress', name), MAX_TOKEN_BYTES);
      });
      if (text === undefined) continue;
      const token = parseToken(text);
      if (token === undefined) {
        if (isStateName(name)) foreign.push(name);
        continue;
      }
      if (token.session === own.session) {
        this.#own.push(name);
        continue;
      }
      claims.push({ name, text, token });
      this.#leases.hearOf(token.session);
    }
    this.#claims = claims;
    this.#foreign = foreign;
    this.#listed = new Set(names);
    this.#scanned = this.#monotonic();
  }

  /**
   * A link that the network repeats after its claim was released holds the state for whoever does not know
   * of it, as long as he lives. Seen at two readings: a listing may be old, and show what was released.
   */
  async #dropStrays(isHeld: (name: string) => boolean, guard: PhaseGuard): Promise<void> {
    const before = this.#strays;
    this.#strays = new Set(this.#own.filter((name) => !isHeld(name)));
    for (const name of this.#strays) {
      if (before.has(name)) await releaseClaim(this.#context, name, guard.canBegin);
    }
  }

  /** Attempts are in the record of a state that is done or failed; what is left of them here is in nobody's way. */
  async #sweepAttempts(isMyPart: IsMine, guard: PhaseGuard): Promise<void> {
    const { files, layout } = this.#context;
    for (const name of await listOrNone(files, layout.internal('attempts'))) {
      if (!isStateName(name) || !isMyPart(name)) continue;
      // Where it waits, nothing was tried: whoever was lost only looked.
      const isOver = this.#context.waiting.has(name) || (await isSettled(files, layout, name));
      if (!isOver) continue;
      if (!guard.canBegin()) return;
      await this.#context.passedOver.guard(`.flockwork/attempts/${name}`, () =>
        removeAttempts(files, layout, name),
      );
    }
  }

  async #breakLease(session: string, guard: PhaseGuard): Promise<boolean> {
    const { files, layout } = this.#context;
    let wasThere = false;
    await this.#context.passedOver.guard(`.flockwork/leases/${session}`, async () => {
      wasThere = await remove(files, layout.internal('leases', session));
    });
    for (const name of await listOrNone(files, layout.flags('workers'))) {
      const flag = layout.flag('workers', name);
      await this.#context.passedOver.guard(`workers/${name}`, async () => {
        const text = await readFlag(files, flag, MAX_TOKEN_BYTES);
        if (text !== undefined && parseToken(text)?.session === session) {
          await removeIfContent(files, flag, text, guard.canBegin);
        }
      });
    }
    return wasThere;
  }

  async #dropClaims(
    session: string,
    isMyPart: IsMine,
    guard: PhaseGuard,
    dropped: string[],
  ): Promise<void> {
    for (const claim of this.#claims) {
      if (claim.token.session !== session || !isMyPart(claim.name)) continue;
      if (!guard.canBegin()) break;
      await this.#context.passedOver.guard(`in_progress/${claim.name}`, async () => {
        await this.#countLost(claim);
        if (await dropClaim(this.#context, claim.name, claim.text, guard)) dropped.push(claim.name);
      });
    }
    this.#claims = this.#claims.filter((claim) => !dropped.includes(claim.name));
  }

  /** A state that kills whoever ticks it must not go round for ever. */
  async #countLost(claim: Claim): Promise<void> {
    const { files, layout } = this.#context;
    const exists = await files.stat(layout.state(claim.name));
    if (exists === undefined || (await isSettled(files, layout, claim.name))) return;
    // Nothing runs there.
    if ((await files.stat(layout.flag('waiting', claim.name))) !== undefined) return;
    await countAttempt(this.#context, claim.name, {
      attempt: 1,
      session: claim.token.session,
      worker: claim.token.worker,
      started: claim.token.started,
      ended: this.#context.stamp(),
      result: 'lost',
      error: { message: `worker ${claim.token.worker} was lost while it held this state` },
    });
  }

  /** What a dead session staged is done, superseded, or (not seen in `done/`) left for later: see I8. */
  async #sweep(
    session: string,
    isMyPart: IsMine,
    guard: PhaseGuard,
    finished: string[],
  ): Promise<void> {
    const { files, layout } = this.#context;
    const directory = layout.internal('staging', session);
    for (const file of await stagedFiles(files, layout, session)) {
      if (!isMyPart(file)) continue;
      const names = await stagedStates(files, directory, file);
      const open = names.filter((name) => !this.#swept.has(`${session}/${name}`));
      let left = open.length;
      for (const name of open) {
        if (!guard.canFinish()) return;
        const outcome = await this.#finish(name, session, file, guard);
        if (outcome === 'late') return;
        if (outcome === 'unseen') continue;
        if (outcome === 'finished') finished.push(name);
        this.#swept.add(`${session}/${name}`);
        left -= 1;
      }
      if (names.length > 0 && left === 0) await remove(files, `${directory}/${file}`);
    }
  }

  /** The flag decides, and it alone: it is whole, and never changes. What is staged says where to look. */
  async #finish(
    name: string,
    session: string,
    file: string,
    guard: PhaseGuard,
  ): Promise<'finished' | 'over' | 'unseen' | 'late'> {
    const { files, layout } = this.#context;
    const doneText = await readText(files, layout.flag('done', name));
    if (doneText === undefined) {
      // Done long ago, by somebody else, with all that followed from it?
      if (await isArchived(files, layout, name)) return 'over';
      const staged = await readText(files, layout.internal('staging', session, file));
      return (await canNeverCommit(files, layout, name, staged ?? '')) ? 'over' : 'unseen';
    }
    const record = parseCommitRecord(doneText, name);
    if (record?.session !== session) return 'over';
    // It may have died before this: a flag that the power takes must not leave a successor behind.
    await files.sync(layout.flags('done'));
    if (!(await publishFromRecord(this.#context, record, guard))) return 'late';
    await clearAttempts(this.#context, name);
    return 'finished';
  }

  /** When nothing of it is left, the last traces of a dead session go too. */
  async #forget(session: string): Promise<void> {
    const { files, layout } = this.#context;
    if (this.#claims.some((claim) => claim.token.session === session)) return;
    // It may have come back and staged something: the sweep goes on.
    if (!(await removeStaging(files, layout, session))) return;
    await remove(files, layout.internal('journal', `${session}.held`));
    for (const name of await listOrNone(files, layout.internal('sessions'))) {
      if (sessionOfTokenFile(name) === session) {
        await remove(files, layout.internal('sessions', name));
      }
    }
    this.#leases.forget(session);
    for (const one of this.#swept) if (one.startsWith(`${session}/`)) this.#swept.delete(one);
  }

  /** What others have committed is over; what has failed was committed by nobody, unless `done/` says so after all. */
  async #isOwed(name: string, session: string): Promise<boolean> {
    const { files, layout } = this.#context;
    const done = await readText(files, layout.flag('done', name));
    if (done !== undefined) return parseCommitRecord(done, name)?.session === session;
    if (await isArchived(files, layout, name)) return false;
    return (await files.stat(layout.flag('failed', name))) === undefined;
  }

  /** Records in other sessions' staging of which something may still come. */
  async countUnfinishedCommits(): Promise<number> {
    const { files, layout, token, passedOver } = this.#context;
    let owed = 0;
    for (const session of await listOrNone(files, layout.internal('staging'))) {
      if (session === token.session) continue;
      const directory = layout.internal('staging', session);
      await passedOver.guard(`.flockwork/staging/${session}`, async () => {
        for (const file of await stagedFiles(files, layout, session)) {
          for (const name of await stagedStates(files, directory, file)) {
            if (await this.#isOwed(name, session)) owed += 1;
          }
        }
      });
    }
    return owed;
  }
}
