/**
 * Finishing for the dead. A session is dead when its lease has not moved for the lease time on *our*
 * monotonic clock. Its lease is broken first, so that it learns of it when it comes back; then its claims
 * are dropped, and what it had staged is finished from the records (the sweep). All of it may be done
 * by several workers at once, or half, and again.
 */
import { isStateName } from '../machine/name.ts';
import { parseCommitRecord } from '../machine/record.ts';
import { hash } from '../semaphore/hash.ts';
import { isDead, sight, type Sighting } from '../semaphore/liveness.ts';
import { isMine } from '../semaphore/share.ts';
import { isArchived, isDone } from './archive.ts';
import { clearAttempts, countAttempt, removeAttempts } from './attempts.ts';
import { dropClaim, isSettled, releaseClaim } from './claim.ts';
import { publishFromRecord } from './commit.ts';
import type { Recovering, Recovery, Window } from '../store/session.ts';
import { listOrNone, readFlag, readText, remove, removeOurs } from './exclusive.ts';
import { errnoOf } from './files.ts';
import { isJunkName } from './layout.ts';
import { sessionOfTokenFile, type Member } from './member.ts';
import { parseCounter } from './pulse.ts';
import { holdsRecords, stagedFiles, stagedStates } from './staging.ts';
import { parseToken, type Token } from '../store/token.ts';
import { isVoid } from './outcomes.ts';
import { sweepWaiting } from './waiting.ts';

interface Claim {
  readonly name: string;
  readonly text: string;
  readonly token: Token;
}

/** Is this state, or this staged file, for us to deal with? */
type IsMine = (key: string) => boolean;

/** Leases are looked at once in so many parts of a lease: a death shows that much later at most. */
const LOOKS_PER_LEASE = 8;
/**
 * Claims are looked through so many times a lease, for those that nobody would let go of; deaths known meanwhile
 * make it at once, and have all of them read.
 */
const SCANS_PER_LEASE = 4;
/** A claim that stays is read again after so many: its name may have been claimed anew in between. */
const SCANS_TRUSTED = 16;

type Report = Record<Exclude<keyof Recovery, 'foreign'>, string[]> & Pick<Recovery, 'foreign'>;
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
  readonly #member: Member;
  readonly #lease: number;
  readonly #monotonic: () => number;
  readonly #sightings = new Map<string, Sighting>();
  /** Counters that were seen to move. */
  readonly #moved = new Set<string>();
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
  #looked = Number.NEGATIVE_INFINITY;
  /** What was staged by sessions that are dead, and is dealt with; others in the same file may not be. */
  readonly #swept = new Set<string>();

  constructor(member: Member, lease: number, monotonic: () => number) {
    this.#member = member;
    this.#lease = lease;
    this.#monotonic = monotonic;
  }

  /** Looks at every lease there is. Changes nothing, so any phase will do. */
  async observe(): Promise<void> {
    const { files, layout, token } = this.#member;
    this.#looked = this.#monotonic();
    const named = new Set([
      ...(await listOrNone(files, layout.internal('leases'))),
      ...(await listOrNone(files, layout.internal('sessions'))).map(sessionOfTokenFile),
      ...(await listOrNone(files, layout.internal('staging'))),
      ...this.#claims.map((claim) => claim.token.session),
      ...this.#member.registered,
    ]);
    // Who has just gone is looked for all the same: a listing may be old, and a lease has its time.
    for (const session of new Set([...named, ...this.#sightings.keys()])) {
      if (session !== token.session && !isJunkName(session)) await this.#look(session);
    }
    for (const session of this.#sightings.keys()) {
      if (!named.has(session) && this.#isDead(session)) this.#sightings.delete(session);
    }
  }

  async #look(session: string): Promise<void> {
    const { files, layout } = this.#member;
    const began = this.#monotonic();
    let text: string | undefined;
    try {
      text = await readText(files, layout.internal('leases', session));
    } catch {
      // I8: a volume that does not answer says nothing about anybody.
      return;
    }
    const before = this.#sightings.get(session);
    const after = sight(before, parseCounter(text), began, this.#monotonic());
    if (before !== undefined && after.counter > before.counter) this.#moved.add(session);
    this.#sightings.set(session, after);
  }

  /** I6: right before it counts. The volume may have been slow since the last look, and who had slept may be back. */
  async #isDeadNow(session: string): Promise<boolean> {
    await this.#look(session);
    const looked = this.#sightings.get(session)?.looked ?? Number.NEGATIVE_INFINITY;
    return this.#isDead(session) && this.#monotonic() - looked < this.#lease / LOOKS_PER_LEASE;
  }

  #isDead(session: string): boolean {
    const sighting = this.#sightings.get(session);
    return sighting !== undefined && isDead(sighting, this.#lease);
  }

  /** Was this session seen to be at work since we came? */
  isAlive(session: string): boolean {
    return this.#moved.has(session) && !this.#isDead(session);
  }

  isKnownDead(session: string): boolean {
    return this.#isDead(session);
  }

  living(): string[] {
    return [...this.#sightings.keys()].filter((session) => !this.#isDead(session));
  }

  /** In Update System only: see I4. */
  async recover(
    cycle: number,
    window: Window,
    { isHeld = () => true, all = false }: Recovering = {},
  ): Promise<Recovery> {
    const { session: self } = this.#member.token;
    const isMyPart = (key: string): boolean => all || isMine(key, self, this.living(), cycle);
    if (this.#monotonic() - this.#looked >= this.#lease / LOOKS_PER_LEASE) await this.observe();
    const dead = [...this.#sightings.keys()].filter((session) => this.#isDead(session));
    const report = noReport(this.#foreign);
    const due = this.#monotonic() - this.#scanned >= this.#lease / SCANS_PER_LEASE;
    if (dead.length === 0 && !due) return report;
    await this.#scanClaims(dead.length > 0);
    report.foreign = this.#foreign;
    await this.#dropStrays(isHeld, window);
    await this.#sweepAttempts(isMyPart, window);
    await sweepWaiting(this.#member, (name) => isMyPart(name) && window.mayStart());
    for (const session of dead) {
      const isStill = await this.#isDeadNow(session);
      if (!window.mayStart()) return report;
      if (!isStill) continue;
      const before = sizeOf(report);
      if (await this.#breakLease(session, window)) report.broken.push(session);
      report.dropped.push(...(await this.#dropClaims(session, isMyPart, window)));
      report.finished.push(...(await this.#sweep(session, isMyPart, window)));
      if (sizeOf(report) > before) report.of.push(session);
      await this.#forget(session);
    }
    return report;
  }

  /** Without a death, only what is there for the second time is read: most claims come and go. */
  async #scanClaims(all: boolean): Promise<void> {
    const { files, layout, token: own } = this.#member;
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
      const text = await readFlag(files, layout.flag('in_progress', name));
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
      // Its lease may have been broken already, by somebody who died before he was through.
      if (!this.#sightings.has(token.session)) {
        this.#sightings.set(token.session, sight(undefined, undefined, this.#monotonic()));
      }
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
  async #dropStrays(isHeld: (name: string) => boolean, window: Window): Promise<void> {
    const before = this.#strays;
    this.#strays = new Set(this.#own.filter((name) => !isHeld(name)));
    for (const name of this.#strays) {
      if (before.has(name)) await releaseClaim(this.#member, name, window.mayStart);
    }
  }

  /** Attempts are in the record of a state that is done or failed; what is left of them here is in nobody's way. */
  async #sweepAttempts(isMyPart: IsMine, window: Window): Promise<void> {
    const { files, layout } = this.#member;
    for (const name of await listOrNone(files, layout.internal('attempts'))) {
      if (!isStateName(name) || !isMyPart(name)) continue;
      // Where it waits, nothing was tried: whoever was lost only looked.
      const isOver = this.#member.waiting.has(name) || (await isSettled(files, layout, name));
      if (!isOver) continue;
      if (!window.mayStart()) return;
      await removeAttempts(files, layout, name);
    }
  }

  async #breakLease(session: string, window: Window): Promise<boolean> {
    const { files, layout } = this.#member;
    const wasThere = await remove(files, layout.internal('leases', session));
    for (const name of await listOrNone(files, layout.flags('workers'))) {
      const flag = layout.flag('workers', name);
      const text = await readFlag(files, flag);
      if (text !== undefined && parseToken(text)?.session === session) {
        await removeOurs(files, flag, text, window.mayStart);
      }
    }
    return wasThere;
  }

  async #dropClaims(session: string, isMyPart: IsMine, window: Window): Promise<string[]> {
    const dropped: string[] = [];
    for (const claim of this.#claims) {
      if (claim.token.session !== session || !isMyPart(claim.name)) continue;
      if (!window.mayStart()) break;
      await this.#countLost(claim);
      if (await dropClaim(this.#member, claim.name, claim.text, window)) dropped.push(claim.name);
    }
    this.#claims = this.#claims.filter((claim) => !dropped.includes(claim.name));
    return dropped;
  }

  /** A state that kills whoever ticks it must not go round for ever. */
  async #countLost(claim: Claim): Promise<void> {
    const { files, layout } = this.#member;
    const exists = await files.stat(layout.state(claim.name));
    if (exists === undefined || (await isSettled(files, layout, claim.name))) return;
    // Nothing runs there.
    if ((await files.stat(layout.flag('waiting', claim.name))) !== undefined) return;
    await countAttempt(this.#member, claim.name, {
      attempt: 1,
      session: claim.token.session,
      worker: claim.token.worker,
      started: claim.token.started,
      ended: this.#member.stamp(),
      result: 'lost',
      error: { message: `worker ${claim.token.worker} was lost while it held this state` },
    });
  }

  /** What a dead session staged is done, superseded, or (not seen in `done/`) left for later: see I8. */
  async #sweep(session: string, isMyPart: IsMine, window: Window): Promise<string[]> {
    const { files, layout } = this.#member;
    const directory = layout.internal('staging', session);
    const finished: string[] = [];
    for (const file of await stagedFiles(files, layout, session)) {
      if (!isMyPart(file)) continue;
      const names = await stagedStates(files, directory, file);
      const open = names.filter((name) => !this.#swept.has(`${session}/${name}`));
      let left = open.length;
      for (const name of open) {
        if (!window.mayLand()) return finished;
        const outcome = await this.#finish(name, session, file, window);
        if (outcome === 'late') return finished;
        if (outcome === 'unseen') continue;
        if (outcome === 'finished') finished.push(name);
        this.#swept.add(`${session}/${name}`);
        left -= 1;
      }
      if (names.length > 0 && left === 0) await remove(files, `${directory}/${file}`);
    }
    return finished;
  }

  /** The flag decides, and it alone: it is whole, and never changes. What is staged says where to look. */
  async #finish(
    name: string,
    session: string,
    file: string,
    window: Window,
  ): Promise<'finished' | 'over' | 'unseen' | 'late'> {
    const { files, layout } = this.#member;
    const doneText = await readText(files, layout.flag('done', name));
    if (doneText === undefined) {
      // Done long ago, by somebody else, with all that followed from it?
      if (await isArchived(files, layout, name)) return 'over';
      const staged = await readText(files, layout.internal('staging', session, file));
      return (await isVoid(files, layout, name, staged ?? '')) ? 'over' : 'unseen';
    }
    const record = parseCommitRecord(doneText, name);
    if (record?.session !== session) return 'over';
    // It may have died before this: a flag that the power takes must not leave a successor behind.
    await files.sync(layout.flags('done'));
    if (!(await publishFromRecord(this.#member, record, window))) return 'late';
    await clearAttempts(this.#member, name);
    return 'finished';
  }

  /** When nothing of it is left, the last traces of a dead session go too. */
  async #forget(session: string): Promise<void> {
    const { files, layout } = this.#member;
    if (this.#claims.some((claim) => claim.token.session === session)) return;
    const staging = layout.internal('staging', session);
    // By one listing: the next one may be of another time, and show a record.
    const names = await listOrNone(files, staging);
    if (names.some(holdsRecords)) return;
    for (const name of names) await remove(files, `${staging}/${name}`);
    try {
      await files.removeDirectory(staging);
    } catch (error) {
      // It has come back and staged something: the sweep goes on.
      if (errnoOf(error) !== 'ENOENT') return;
    }
    await remove(files, layout.internal('journal', `${session}.held`));
    for (const name of await listOrNone(files, layout.internal('sessions'))) {
      if (sessionOfTokenFile(name) === session) {
        await remove(files, layout.internal('sessions', name));
      }
    }
    this.#sightings.delete(session);
    this.#moved.delete(session);
    for (const one of this.#swept) if (one.startsWith(`${session}/`)) this.#swept.delete(one);
  }

  /** Records in other sessions' staging whose state is done, or has not failed: something may still come of them. */
  async owed(): Promise<number> {
    const { files, layout, token } = this.#member;
    let owed = 0;
    for (const session of await listOrNone(files, layout.internal('staging'))) {
      if (session === token.session) continue;
      const directory = layout.internal('staging', session);
      for (const file of await stagedFiles(files, layout, session)) {
        for (const name of await stagedStates(files, directory, file)) {
          const failed = await files.stat(layout.flag('failed', name));
          // It may have been committed after all, by whoever was stopped meanwhile: done beats failed.
          if (failed === undefined || (await isDone(files, layout, name))) owed += 1;
        }
      }
    }
    return owed;
  }
}
