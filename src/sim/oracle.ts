/**
 * Checks the invariants of docs/protocol.md at each change of a volume. Unlike workers, it sees the true volume and the true
 * time.
 */
import { isStateName, originName } from '../machine/name.ts';
import {
  publishedStates,
  holdsRecord,
  parseCommitRecord,
  parseFailureRecord,
  recordedStates,
} from '../machine/record.ts';
import { cycleLength, momentAt, type PhaseLengths } from '../volume/phases/cycle.ts';
import type { Snapshot } from '../volume/operations.ts';
import { parseToken } from '../volume/token.ts';
import type { Disk, DiskNode, Notice } from './disk.ts';
import type { Method } from './faults.ts';
import { ForkChecker, StepChecker, type StepCheckerOptions } from './common-checkers.ts';
import { leftOver, staged, isTorn, ArchiveChecker, twiceCommitted } from './volume-checkers.ts';
import { isForeign } from './user.ts';
import { LeaseChecker, forbiddenPhase, SplitChecker } from './session-checkers.ts';
import { EventChecker } from './event-checker.ts';
import type { SimProcess } from './process.ts';
import { archivedFlag, placeOf, textOf, TrueVolume } from './true-volume.ts';
import { Violation } from './outcome.ts';

export interface OracleOptions extends StepCheckerOptions {
  readonly phases: PhaseLengths;
  readonly lease: number;
  /** No faults: then no two workers try for the same state (I5). */
  readonly calm: boolean;
  /** Some ticks hang: past their deadline, the heartbeat must stop. */
  readonly hangs: boolean;
  /** Of a tick, ms. */
  readonly timeout: number;
  /** The live process that runs `session`. */
  readonly owner: (session: string) => SimProcess | undefined;
  /** Maximum age of caches, ms. Older than a lease, they make live sessions look dead. */
  readonly cache: number;
  /** Minimum age of a done state when it is archived, ms; 0 if clocks or caches hide it. */
  readonly archiveAge: number;
}

export class Oracle {
  readonly #volume: TrueVolume;
  readonly #options: OracleOptions;
  readonly #now: () => number;
  readonly #steps: StepChecker;
  /** True times at which users put them in. */
  readonly #submittedAt = new Map<string, number>();
  /** States whose current claim was made after they were done. */
  readonly #claimedDone = new Set<string>();
  readonly #splits = new SplitChecker();
  /** True time of each process's last snapshot. */
  readonly #looked = new WeakMap<SimProcess, number>();
  readonly #leases: LeaseChecker;
  readonly #archive: ArchiveChecker;
  readonly #events: EventChecker;
  readonly #forks: ForkChecker;
  /** Processes that have half written a state file, and its name: they must have crashed. */
  readonly #cut = new WeakMap<SimProcess, string>();
  #violation: Violation | undefined;
  commits = 0;

  constructor(disk: Disk, now: () => number, options: OracleOptions) {
    this.#volume = new TrueVolume(disk);
    this.#now = now;
    this.#options = options;
    const { phases, lease, hangs, archiveAge } = options;
    this.#steps = new StepChecker(options);
    this.#archive = new ArchiveChecker(this.#volume, now, archiveAge);
    this.#events = new EventChecker(this.#volume);
    this.#forks = new ForkChecker(this.#volume);
    this.#leases = new LeaseChecker(now, { lease, hangs, cycle: cycleLength(phases) });
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  submitted(name: string, content: string): void {
    this.#steps.submitted(name, content);
    this.#submittedAt.set(name, this.#now());
  }

  /** A user sent an event. */
  sent(file: string, content?: string): void {
    this.#events.sent(file, content);
  }

  ticked(name: string): void {
    this.#failIf('I12', this.#forks.ticked(name));
    this.#failIf('I6', this.#steps.ticked(name));
    if (this.#claimedDone.has(name) && this.#options.cache === 0) {
      this.#fail('I6', `no tick of ${name}, which was done before it was claimed`, 'one');
    }
  }

  /** `outputs` were passed to the tick of the join `name`. */
  joined(name: string, outputs: Readonly<Record<string, unknown>>): void {
    this.#failIf('I12', this.#forks.joined(name, outputs));
  }

  claimed(name: string, outcome: string): void {
    if (this.#options.calm && outcome !== 'ours') {
      this.#fail('I5', `one worker to try for ${name} in a calm run`, 'two');
    }
  }

  asked(process: SimProcess, method: Method, path: string): void {
    const [place, name] = placeOf(path);
    const cut = this.#cut.get(process);
    if (cut !== undefined) this.#fail('I2', `whole ${cut}`, `half of it by ${process.name}`);
    if (place === 'in_progress' && method === 'unlink') this.#checkClaim(name, process);
    if (this.#options.cache === 0) this.#checkLife(process, method, place, name);
    this.#checkPhase(process, method, place, name);
  }

  /** I6, unless caches make sessions look older than they are. */
  #checkLife(process: SimProcess, method: Method, place: string, name: string): void {
    const { owner } = this.#options;
    let problem: string | undefined;
    if (place === '.flockwork/leases' && method === 'unlink') {
      // Several workers may remove a lease that is gone.
      const of = this.#volume.exists(`${place}/${name}`) ? owner(name) : undefined;
      problem = of && this.#leases.breaking(process, name, of);
    } else if (method === 'link' && ['in_progress', 'done', 'workers'].includes(place)) {
      problem = this.#leases.acting(process);
    }
    this.#failIf('I6', problem);
  }

  /** I7: a worker whose tick hangs stops beating, so that others get its states. */
  beats(process: SimProcess): void {
    this.#failIf('I7', this.#leases.beating(process, this.#options.timeout));
  }

  /** I4: a worker whose estimate of the time is right begins operations only in their phase. */
  #checkPhase(process: SimProcess, method: Method, place: string, name: string): void {
    if (place === '.' && !isStateName(name)) return;
    const now = this.#now();
    const when = forbiddenPhase(this.#options.phases, place, method, now);
    if (when === undefined) return;
    const time = process.session?.time();
    const isRight = time !== undefined && time.earliest <= now && now <= time.latest;
    // No worker can keep to a jittery clock.
    if (!isRight || process.stalled || process.clock.isJittery) return;
    this.#fail('I4', `no ${method} of ${place}/${name} in ${when}`, process.name);
  }

  /** I5: same snapshot, same split. */
  split(process: SimProcess, how: 'slices' | 'zip', snapshot: Snapshot): void {
    this.#looked.set(process, this.#now());
    const time = process.session?.time();
    if (time === undefined) return;
    const { cycle } = momentAt(this.#options.phases, time.earliest);
    this.#failIf('I5', this.#splits.compare(process.name, how, snapshot, cycle));
  }

  changed(notice: Notice, process: SimProcess | undefined): void {
    const [place, name] = placeOf(notice.path);
    if (isForeign(place, name))
      this.#failIf('I9', notice.after ? undefined : `expected ${name} to stay, got a removal`);
    else if (place === 'in_progress') this.#noteClaim(name, notice.after);
    else if (place === 'done') this.#checkDone(name, notice);
    else if (place === 'failed') this.#checkFailed(name, notice.after);
    else if (place === '.') this.#checkStateFile(name, notice, process);
    else if (place === 'events') {
      this.#failIf('I10', this.#events.changed(name, notice, process !== undefined));
    } else if (place === 'outcomes') this.#failIf('I10', this.#events.decided(name, notice));
    else if (place === '.flockwork/staging') this.#checkStaging(name, notice);
    else if (place === '.flockwork/leases' && notice.after === undefined) {
      this.#leases.leaseIsGone(name);
    }
  }

  #noteClaim(name: string, after: DiskNode | undefined): void {
    if (after !== undefined && this.#volume.doneText(name) !== undefined)
      this.#claimedDone.add(name);
    else this.#claimedDone.delete(name);
  }

  /** I6: the claim of a live session is not removed by others. */
  #checkClaim(name: string, process: SimProcess): void {
    const session = parseToken(this.#volume.text(`in_progress/${name}`))?.session ?? '';
    const owner = this.#options.owner(session);
    if (owner === undefined || owner === process || this.#options.cache > 0) return;
    if (!this.#volume.exists(`.flockwork/leases/${session}`) || !owner.isLively) return;
    this.#fail('I6', `the claim of ${name} by live ${session} to stay`, process.name);
  }

  /** I1, I3: the commits that are left after a power cut. */
  powerIsBack(): void {
    if (!this.#volume.exists('done')) return;
    for (const name of this.#volume.list(`done`)) {
      const text = this.#volume.text(`done/${name}`);
      if (!isCommit(name, text)) {
        return this.#fail('I1', `done/${name} whole after a power cut`, JSON.stringify(text));
      }
      this.#checkSuccessors(name, 'has survived a power cut');
    }
    this.#failIf('I10', this.#events.powerIsBack());
  }

  /** I8. */
  ended(process: SimProcess, end: string, states: readonly string[]): void {
    const isMisled = this.#options.cache >= this.#options.lease;
    const { lostVolumeAt } = process;
    if (end !== 'empty' || lostVolumeAt === undefined || isMisled) return;
    // States that came after its last snapshot do not count: it may have decided to end before.
    const looked = (this.#looked.get(process) ?? Number.NaN) - cycleLength(this.#options.phases);
    const seen = Math.min(lostVolumeAt, looked);
    const isOlder = (name: string): boolean => this.#since(name) <= seen;
    if (this.#unsettledOf(this.#andThere(states).filter(isOlder)) !== undefined) {
      this.#fail('I8', `${process.name} to stay with its volume unmounted`, 'end "empty"');
    }
  }

  /** True time at which a user put in the first state file of this instance. */
  #since(name: string): number {
    let origin: string | undefined = name;
    while (origin !== undefined && !this.#submittedAt.has(origin)) origin = originName(origin);
    return origin === undefined ? 0 : this.#submittedAt.get(origin)!;
  }

  /** I1. */
  #checkDone(name: string, { before, after, client }: Notice): void {
    if (after === undefined) {
      const problem = this.#archive.ofFlag(name, before === undefined ? '' : textOf(before));
      if (problem !== undefined)
        this.#fail('I1', `done/${name} to stay: ${problem}`, `${client} removing it`);
      return;
    }
    if (before !== undefined)
      return this.#fail('I1', `done/${name} to stay`, `${client} replacing it`);
    const text = textOf(after);
    if (!isCommit(name, text)) {
      return this.#fail('I1', `a commit in done/${name}`, JSON.stringify(text));
    }
    // A restored flag, or a commit after archival, which is withdrawn.
    if (this.#volume.exists(archivedFlag(name))) return;
    this.commits += 1;
    this.#archive.committed(name);
    const record = parseCommitRecord(text, name);
    if (record !== undefined) {
      this.#failIf('I10', this.#events.committed(record));
      this.#failIf('I12', this.#forks.committed(record));
    }
    this.#checkSuccessors(name, 'is committed');
  }

  /** I3: a successor that is not published is in a staged record, where recovery finds it. */
  #checkSuccessors(name: string, when: string): void {
    const text = this.#volume.text(`done/${name}`);
    const record = parseCommitRecord(text ?? '', name);
    const next = publishedStates(record).find((one) => !this.#isThere(one.name));
    if (next === undefined) return;
    const isStaged = [...staged(this.#volume)].some((one) => holdsRecord(one.text, record!));
    if (!isStaged)
      this.#fail('I3', `${next.name} or its staged record when ${name} ${when}`, 'neither');
  }

  /** I3. */
  #checkFailed(name: string, after: DiskNode | undefined): void {
    if (after === undefined) return;
    const record = parseFailureRecord(textOf(after), name);
    if (record === undefined) return this.#fail('I3', `a record in failed/${name}`, 'none');
    this.#failIf('I3', this.#steps.failed({ ...record, state: name }));
  }

  /** I2, I9. */
  #checkStateFile(
    name: string,
    { before, after, client }: Notice,
    process: SimProcess | undefined,
  ): void {
    if (!isStateName(name)) return;
    if (after === undefined) {
      const problem = this.#archive.ofState(name);
      if (problem !== undefined)
        this.#fail('I3', `${name} to stay: ${problem}`, `${client} removing it`);
      return;
    }
    if (process === undefined) return;
    const text = textOf(after);
    if (before !== undefined && !isTorn(textOf(before), text)) {
      return this.#fail('I9', `whole ${name} to stay`, `${client} replacing it`);
    }
    const parent = originName(name) ?? '';
    const whole = this.#volume.follower(name)?.content;
    if (whole !== text) {
      // Its record is durable, and any session repairs it.
      const isCut = before === undefined && whole !== undefined && isTorn(text, whole);
      if (isCut) return void this.#cut.set(process, name);
      return this.#fail('I2', `${name} as in done/${parent}`, `other content by ${client}`);
    }
    const flags = [`done/${parent}`, archivedFlag(parent)];
    if (!flags.some((flag) => this.#volume.isDurable(flag))) {
      this.#fail('I2', `durable done/${parent} before ${name}`, `${client} publishing that`);
    }
  }

  #checkStaging(path: string, { before, after }: Notice): void {
    const file = path.slice(path.indexOf('/') + 1);
    if (after !== undefined || before === undefined || file.startsWith('.')) return;
    for (const name of recordedStates(textOf(before))) {
      const record = parseCommitRecord(textOf(before), name)!;
      const isCommitted = holdsRecord(this.#volume.doneText(name) ?? '', record);
      if (isCommitted) this.#checkSuccessors(name, 'is unstaged');
    }
  }

  /** Liveness, checked after the surviving core had its time. */
  finish(states: readonly string[]): void {
    this.#failIf('liveness', this.unsettled(states) ?? this.leftOver());
    this.#failIf('I1', twiceCommitted(this.#volume));
  }

  /** What is not done yet; undefined if all is. */
  unsettled(states: readonly string[]): string | undefined {
    const names = this.#andThere(states);
    return this.#unsettledOf(names) ?? this.#events.undelivered() ?? this.#forks.left(names);
  }

  #andThere(states: readonly string[]): string[] {
    return [...new Set([...states, ...this.#volume.list('').filter(isStateName)])];
  }

  #unsettledOf(names: readonly string[]): string | undefined {
    const isSettled = (name: string): boolean =>
      this.#volume.doneText(name) !== undefined || this.#volume.exists(`failed/${name}`);
    // The cheapest check first: it runs at every turn.
    const open = names.find((name) => !isSettled(name) && !this.#waits(name));
    if (open !== undefined) return `expected ${open} to be done or failed, got neither`;
    for (const name of names) {
      const record = parseCommitRecord(this.#volume.doneText(name) ?? '', name);
      const missing = publishedStates(record).find((one) => !this.#isThere(one.name));
      if (missing !== undefined) return `expected ${missing.name} after done ${name}, got no file`;
    }
    return undefined;
  }

  /** Whether `name` waits for events: then nothing is left to do there. */
  #waits(name: string): boolean {
    // The record counts: a torn state file is repaired when it is needed.
    const text = this.#volume.follower(name)?.content ?? this.#volume.text(name) ?? '';
    return this.#steps.waits(text);
  }

  #isThere(name: string): boolean {
    return this.#volume.hasState(name) || this.#volume.exists(`failed/${name}`);
  }

  /** Flags and traces of other workers than `worker`; undefined if there are none. */
  leftOver(worker?: string): string | undefined {
    return leftOver(this.#volume, worker);
  }

  #failIf(invariant: string, problem: string | undefined): void {
    if (problem !== undefined) this.#violation ??= new Violation(invariant, problem);
  }

  #fail(invariant: string, expected: string, got: string): void {
    this.#failIf(invariant, `expected ${expected}, got ${got}`);
  }
}

/** A record of this state, or the token of the session that committed it. */
function isCommit(name: string, text: string | undefined): boolean {
  return parseCommitRecord(text ?? '', name) !== undefined || parseToken(text) !== undefined;
}
