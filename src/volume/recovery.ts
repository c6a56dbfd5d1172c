/**
 * Recovery of dead sessions, which `lease-watch.ts` detects. First the dead session's lease is broken, so that the session
 * notices if it comes back; then its claims are dropped, and its staged commits are finished from their records (the sweep).
 * Several workers may do this at once, or half of it, and repeat it.
 */
import { invariant } from '../machine/invariant.ts';
import { isStateName } from '../machine/name.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { hash } from './phases/hash.ts';
import { ownsKey } from './phases/liveness.ts';
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

/** Is this state, or this staged file, in this session's share? */
type IsMine = (key: string) => boolean;

/**
 * Claims are scanned this many times per lease, for those that no session would release; a dead session causes a scan at
 * once, which reads all of them.
 */
const SCANS_PER_LEASE = 4;
/** A known claim is read again after this many scans: its name may have been claimed anew in between. */
const SCANS_PER_REREAD = 16;

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
  /** From the last scan: claims of other sessions, and of this one. */
  #claims: Claim[] = [];
  #own: string[] = [];
  /** States that another program has claimed. */
  #foreign: readonly string[] = [];
  /** Claims of this session that it did not hold at the last scan. */
  #strays = new Set<string>();
  #scanned = Number.NEGATIVE_INFINITY;
  #scans = 0;
  /** Names of all claims at the last scan. */
  #listed = new Set<string>();
  /** SESSION/STATE of dead sessions' records that are finished; others in the same file may not be. */
  readonly #swept = new Set<string>();

  constructor(context: SessionContext, leases: LeaseWatch, lease: number, monotonic: () => number) {
    this.#context = context;
    this.#leases = leases;
    this.#lease = lease;
    this.#monotonic = monotonic;
  }

  /** Reads all leases. Changes nothing on the volume: allowed in any phase. */
  observe(): Promise<void> {
    const claimants = this.#claims.map((claim) => claim.token.session);
    return this.#leases.observe([...claimants, ...this.#context.registered]);
  }

  /** In Update System only: see I4. */
  async recover(
    cycle: number,
    guard: PhaseGuard,
    how: Recovering = {},
  ): Promise<Omit<Recovery, 'passedOver'>> {
    const report = await this.#recover(cycle, guard, how);
    return { ...report, claims: this.#listed.size };
  }

  async #recover(
    cycle: number,
    guard: PhaseGuard,
    { isHeld = () => true, all = false }: Recovering,
  ): Promise<Report> {
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
    const { session: self } = this.#context.token;
    invariant(session !== self, 'I6: expected to recover another session', undefined, self);
    invariant(
      this.#leases.isDead(session),
      'I6: expected to break the lease of a dead session only',
      undefined,
      session,
    );
    if (await this.#breakLease(session, guard)) report.broken.push(session);
    await this.#dropClaims(session, isMyPart, guard, report.dropped);
    await this.#sweep(session, isMyPart, guard, report.finished);
    await this.#forget(session);
  }

  /** Without `all`, reads only claims that the last scan listed too: most claims come and go. */
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
      const isDue = (hash(name) + this.#scans) % SCANS_PER_REREAD === 0;
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
      this.#leases.watch(token.session);
    }
    this.#claims = claims;
    this.#foreign = foreign;
    this.#listed = new Set(names);
    this.#scanned = this.#monotonic();
  }

  /**
   * Releases claims that this session does not know of: a link that the network repeats after its claim was released would
   * hold the state as long as this session lives. Seen in two scans: a stale listing may show a released claim.
   */
  async #dropStrays(isHeld: (name: string) => boolean, guard: PhaseGuard): Promise<void> {
    const before = this.#strays;
    this.#strays = new Set(this.#own.filter((name) => !isHeld(name)));
    for (const name of this.#strays) {
      if (before.has(name)) await releaseClaim(this.#context, name, guard.canBegin);
    }
  }

  /** Removes attempts of states that are done or failed, whose records have them, or that wait. */
  async #sweepAttempts(isMyPart: IsMine, guard: PhaseGuard): Promise<void> {
    const { files, layout } = this.#context;
    for (const name of await listOrNone(files, layout.internal('attempts'))) {
      if (!isStateName(name) || !isMyPart(name)) continue;
      // A state that waits was not tried: the lost session only read it.
      const isOver = this.#context.waiting.has(name) || (await isSettled(this.#context, name));
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

  /** Counts a lost attempt, so that a state whose tick crashes its worker reaches `maximumAttempts`. */
  async #countLost(claim: Claim): Promise<void> {
    const { files, layout } = this.#context;
    const exists = await files.stat(layout.state(claim.name));
    if (exists === undefined || (await isSettled(this.#context, claim.name))) return;
    // A state that waits has no tick.
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

  /** Finishes the staged records of a dead session. Records whose flag is not seen in `done/` are left for later (I8). */
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

  /** Only the flag in `done/` decides: it is complete, and never changes. The staged record says which flag to read. */
  async #finish(
    name: string,
    session: string,
    file: string,
    guard: PhaseGuard,
  ): Promise<'finished' | 'over' | 'unseen' | 'late'> {
    const { files, layout } = this.#context;
    const doneText = await readText(files, layout.flag('done', name));
    if (doneText === undefined) {
      // Archived: another session committed it long ago, and its effects are complete.
      if (await isArchived(files, layout, name)) return 'over';
      const staged = await readText(files, layout.internal('staging', session, file));
      return (await canNeverCommit(files, layout, name, staged ?? '')) ? 'over' : 'unseen';
    }
    const record = parseCommitRecord(doneText, name);
    if (record?.session !== session) return 'over';
    // The dead session may not have synced: a flag lost in a power cut must not leave a successor behind.
    await files.sync(layout.flags('done'));
    if (!(await publishFromRecord(this.#context, record, guard))) return 'late';
    await clearAttempts(this.#context, name);
    return 'finished';
  }

  /** Removes the last files of a dead session that has no claims and no staged records left. */
  async #forget(session: string): Promise<void> {
    const { files, layout } = this.#context;
    if (this.#claims.some((claim) => claim.token.session === session)) return;
    // Records are left, or it has come back and staged more: the sweep goes on.
    if (!(await removeStaging(files, layout, session))) return;
    for (const name of await listOrNone(files, layout.internal('sessions'))) {
      if (sessionOfTokenFile(name) === session) {
        await remove(files, layout.internal('sessions', name));
      }
    }
    this.#leases.forget(session);
    for (const one of this.#swept) if (one.startsWith(`${session}/`)) this.#swept.delete(one);
  }

  /** False if another session has committed it, if it is archived, or if it has failed without a flag in `done/`. */
  async #isUnfinished(name: string, session: string): Promise<boolean> {
    const { files, layout } = this.#context;
    const done = await readText(files, layout.flag('done', name));
    if (done !== undefined) return parseCommitRecord(done, name)?.session === session;
    if (await isArchived(files, layout, name)) return false;
    return (await files.stat(layout.flag('failed', name))) === undefined;
  }

  /** Staged records of other sessions whose commit may still have to be finished. */
  async countUnfinishedCommits(): Promise<number> {
    const { files, layout, token, passedOver } = this.#context;
    let count = 0;
    for (const session of await listOrNone(files, layout.internal('staging'))) {
      if (session === token.session) continue;
      const directory = layout.internal('staging', session);
      await passedOver.guard(`.flockwork/staging/${session}`, async () => {
        for (const file of await stagedFiles(files, layout, session)) {
          for (const name of await stagedStates(files, directory, file)) {
            if (await this.#isUnfinished(name, session)) count += 1;
          }
        }
      });
    }
    return count;
  }
}
