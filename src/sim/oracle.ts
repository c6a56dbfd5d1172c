/**
 * Watches over the invariants of docs/protocol.md, change by change. It sees the volume as it truly is,
 * and the time as it truly is, which no worker does.
 */
import { isStateName, originName } from '../machine/name.ts';
import {
  publishedStates,
  holdsRecord,
  parseCommitRecord,
  parseFailureRecord,
  recordedStates,
} from '../machine/record.ts';
import { resolveState, type Registry } from '../machine/registry.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { cycleLength, momentAt, type PhaseLengths } from '../volume/phases/cycle.ts';
import type { Snapshot } from '../volume/operations.ts';
import { parseToken } from '../volume/token.ts';
import type { Disk, DiskNode, Notice } from './disk.ts';
import type { Method } from './faults.ts';
import { ForkChecker } from './fork-checker.ts';
import { leftOver, staged } from './left-over.ts';
import { isForeign } from './foreign-entries.ts';
import { LeaseChecker } from './lease-checker.ts';
import { EventChecker } from './event-checker.ts';
import { isTorn, ArchiveChecker } from './archive-checker.ts';
import { forbiddenPhase } from './phase-rules.ts';
import type { SimProcess } from './process.ts';
import { SplitChecker } from './split-checker.ts';
import { twiceCommitted } from './journals.ts';
import { archivedFlag, placeOf, textOf, TrueVolume } from './true-volume.ts';
import { Violation } from './violation.ts';

export interface OracleOptions {
  readonly phases: PhaseLengths;
  readonly lease: number;
  /** Nothing goes wrong: then nobody is ever in anybody's way (I5). */
  readonly calm: boolean;
  /** So often a step is ticked at most: once in a calm, and as many times as there are attempts (I6). */
  readonly ticks: number;
  /** What the workers know. */
  readonly registry: Registry;
  /** Some ticks never come back: past their deadline, the heart is to stop. */
  readonly hangs: boolean;
  /** Milliseconds: of the ticks there are. */
  readonly timeout: number;
  /** The live process whose session this is. */
  readonly owner: (session: string) => SimProcess | undefined;
  /** Caches are so old at most, ms: who reads through them may take the living for dead. */
  readonly cache: number;
  /** Milliseconds that a state has to have been done before it is archived; 0 where nobody can tell. */
  readonly archiveAge: number;
}

export class Oracle {
  readonly #volume: TrueVolume;
  readonly #options: OracleOptions;
  readonly #now: () => number;
  /** Text of every state file that a user put in, or will, whole. */
  readonly #submitted = new Map<string, string>();
  /** True times of that. */
  readonly #submittedAt = new Map<string, number>();
  readonly #ticks = new Map<string, number>();
  /** Claimed, as it is now, when it was done already. */
  readonly #claimedDone = new Set<string>();
  readonly #splits = new SplitChecker();
  /** True times of the last snapshots. */
  readonly #looked = new WeakMap<SimProcess, number>();
  /** Does nothing run in a state with this text? It is asked at every turn. */
  readonly #waiting = new Map<string, boolean>();
  readonly #leases: LeaseChecker;
  readonly #archive: ArchiveChecker;
  readonly #events: EventChecker;
  readonly #forks: ForkChecker;
  #violation: Violation | undefined;
  commits = 0;

  constructor(disk: Disk, now: () => number, options: OracleOptions) {
    this.#volume = new TrueVolume(disk);
    this.#now = now;
    this.#options = options;
    const { phases, lease, hangs, archiveAge } = options;
    this.#archive = new ArchiveChecker(this.#volume, now, archiveAge);
    this.#events = new EventChecker(this.#volume);
    this.#forks = new ForkChecker(this.#volume);
    this.#leases = new LeaseChecker(now, { lease, hangs, cycle: cycleLength(phases) });
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  submitted(name: string, content: string): void {
    this.#submitted.set(name, content);
    this.#submittedAt.set(name, this.#now());
  }

  /** A user has sent an event. */
  sent(file: string, content?: string): void {
    this.#events.sent(file, content);
  }

  ticked(name: string): void {
    this.#failIf('I12', this.#forks.ticked(name));
    const times = (this.#ticks.get(name) ?? 0) + 1;
    this.#ticks.set(name, times);
    if (times > this.#options.ticks) this.#fail('I6', `${name} is ticked ${times} times`);
    if (this.#claimedDone.has(name) && this.#options.cache === 0) {
      this.#fail('I6', `${name} is ticked, but it was done before it was claimed`);
    }
  }

  /** The tick of a state in which branches are joined was given these outputs. */
  joined(name: string, outputs: Readonly<Record<string, unknown>>): void {
    this.#failIf('I12', this.#forks.joined(name, outputs));
  }

  claimed(name: string, outcome: string): void {
    if (this.#options.calm && outcome !== 'ours') {
      this.#fail('I5', `two workers tried for ${name}, though both saw the same`);
    }
  }

  asked(process: SimProcess, method: Method, path: string): void {
    const [place, name] = placeOf(path);
    if (place === 'in_progress' && method === 'unlink') this.#checkClaim(name, process);
    if (this.#options.cache === 0) this.#checkLife(process, method, place, name);
    this.#checkPhase(process, method, place, name);
  }

  /** I6, as long as what others see of a session is true. */
  #checkLife(process: SimProcess, method: Method, place: string, name: string): void {
    const { owner } = this.#options;
    let problem: string | undefined;
    if (place === '.flockwork/leases' && method === 'unlink') {
      // One that is gone may be looked for, and taken away, by more than one.
      const of = this.#volume.exists(`${place}/${name}`) ? owner(name) : undefined;
      problem = of && this.#leases.breaking(process, name, of);
    } else if (method === 'link' && ['in_progress', 'done', 'workers'].includes(place)) {
      problem = this.#leases.acting(process);
    }
    if (problem !== undefined) this.#fail('I6', problem);
  }

  /** I7: a hung worker does not hold its states for ever. */
  beats(process: SimProcess): void {
    const problem = this.#leases.beating(process, this.#options.timeout);
    if (problem !== undefined) this.#fail('I7', problem);
  }

  /** I4: a worker whose idea of the time is right touches nothing out of season. */
  #checkPhase(process: SimProcess, method: Method, place: string, name: string): void {
    if (place === '.' && !isStateName(name)) return;
    const now = this.#now();
    const when = forbiddenPhase(this.#options.phases, place, method, now);
    if (when === undefined) return;
    const time = process.session?.time();
    const isRight = time !== undefined && time.earliest <= now && now <= time.latest;
    // Nobody can keep to a clock that says something else each time it is read.
    if (!isRight || process.stalled || process.clock.isJittery) return;
    this.#fail('I4', `${process.name} begins ${method} of ${place}/${name} in ${when}`);
  }

  /** I5: same snapshot, same split. */
  split(process: SimProcess, how: 'slices' | 'zip', snapshot: Snapshot): void {
    this.#looked.set(process, this.#now());
    const time = process.session?.time();
    if (time === undefined) return;
    const { cycle } = momentAt(this.#options.phases, time.earliest);
    const difference = this.#splits.compare(process.name, how, snapshot, cycle);
    if (difference !== undefined) this.#fail('I5', difference);
  }

  changed(notice: Notice, process: SimProcess | undefined): void {
    const [place, name] = placeOf(notice.path);
    if (isForeign(place, name)) this.#failIf('I9', notice.after ? undefined : `${name} is removed`);
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

  /** Nobody takes away what somebody holds who is alive to the others. */
  #checkClaim(name: string, process: SimProcess): void {
    const session = parseToken(this.#volume.text(`in_progress/${name}`))?.session ?? '';
    const owner = this.#options.owner(session);
    if (owner === undefined || owner === process || this.#options.cache > 0) return;
    if (!this.#volume.exists(`.flockwork/leases/${session}`) || !owner.isLively) return;
    this.#fail('I6', `${process.name} takes down the claim of ${name} by ${session}, which lives`);
  }

  /** I1, I3: what the power left of what was committed. */
  powerIsBack(): void {
    if (!this.#volume.exists('done')) return;
    for (const name of this.#volume.list(`done`)) {
      const text = this.#volume.text(`done/${name}`);
      if (!isCommit(name, text)) {
        return this.#fail('I1', `the power left done/${name} torn: ${JSON.stringify(text)}`);
      }
      this.#checkOwed(name, 'comes back after the power');
    }
    this.#failIf('I10', this.#events.powerIsBack());
  }

  /** I8. */
  ended(process: SimProcess, end: string, states: readonly string[]): void {
    const isMisled = this.#options.cache >= this.#options.lease;
    const { lostVolumeAt } = process;
    if (end !== 'empty' || lostVolumeAt === undefined || isMisled) return;
    // What came later it had no way to see: it may have made up its mind before, and be long about leaving.
    const looked = (this.#looked.get(process) ?? Number.NaN) - cycleLength(this.#options.phases);
    const seen = Math.min(lostVolumeAt, looked);
    const isOlder = (name: string): boolean => this.#since(name) <= seen;
    if (this.#unsettledOf(this.#andThere(states).filter(isOlder)) !== undefined) {
      this.#fail('I8', `${process.name} takes an unmounted volume for an empty one`);
    }
  }

  /** True time at which a user put in what has led to this state. */
  #since(name: string): number {
    let origin: string | undefined = name;
    while (origin !== undefined && !this.#submittedAt.has(origin)) origin = originName(origin);
    return origin === undefined ? 0 : this.#submittedAt.get(origin)!;
  }

  /** I1. */
  #checkDone(name: string, { before, after, client }: Notice): void {
    if (after === undefined) {
      const problem = this.#archive.ofFlag(name, before === undefined ? '' : textOf(before));
      if (problem !== undefined) this.#fail('I1', `${client} takes done/${name} away: ${problem}`);
      return;
    }
    if (before !== undefined) return this.#fail('I1', `${client} replaces done/${name}`);
    const text = textOf(after);
    if (!isCommit(name, text)) {
      return this.#fail('I1', `done/${name} is no commit of it: ${JSON.stringify(text)}`);
    }
    // A flag that is set again says that a state is done; a commit that comes too late is withdrawn.
    if (this.#volume.exists(archivedFlag(name))) return;
    this.commits += 1;
    this.#archive.committed(name);
    const record = parseCommitRecord(text, name);
    if (record !== undefined) {
      this.#failIf('I10', this.#events.committed(record));
      this.#failIf('I12', this.#forks.committed(record));
    }
    this.#checkOwed(name, 'is committed');
  }

  /** I3: what is committed and not published has to be found by whoever comes next. */
  #checkOwed(name: string, when: string): void {
    const text = this.#volume.text(`done/${name}`);
    const record = parseCommitRecord(text ?? '', name);
    const next = publishedStates(record).find((one) => !this.#isThere(one.name));
    if (next === undefined) return;
    const isStaged = [...staged(this.#volume)].some((one) => holdsRecord(one.text, record!));
    if (!isStaged) this.#fail('I3', `when ${name} ${when}, nothing says that ${next.name} is owed`);
  }

  /** I3, in the words of "nobody is put aside who is well". */
  #checkFailed(name: string, after: DiskNode | undefined): void {
    if (after === undefined) return;
    const record = parseFailureRecord(textOf(after), name);
    if (record === undefined) return this.#fail('I3', `failed/${name} is no record of a failure`);
    const isRightful =
      record.code === 'successor-taken'
        ? this.#submitted.has(name)
        : ['attempts-exhausted', 'fatal'].includes(record.code) || !this.#isWell(name);
    if (!isRightful) this.#fail('I3', `${name} is put aside, but it is well: ${record.reason}`);
  }

  #isWell(name: string): boolean {
    const content = this.#submitted.get(name);
    if (content === undefined) return true;
    const parsed = parseStateFile(new TextEncoder().encode(content));
    return parsed.ok && resolveState(this.#options.registry, parsed.file).ok;
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
      if (problem !== undefined) this.#fail('I3', `${client} takes ${name} away: ${problem}`);
      return;
    }
    if (process === undefined) return;
    const text = textOf(after);
    if (before !== undefined && !isTorn(textOf(before), text)) {
      return this.#fail('I9', `${client} replaces ${name}, which was whole`);
    }
    const parent = originName(name) ?? '';
    if (this.#volume.follower(name)?.content !== text) {
      return this.#fail('I2', `${client} publishes ${name}, which is not what done/${parent} says`);
    }
    const flags = [`done/${parent}`, archivedFlag(parent)];
    if (!flags.some((flag) => this.#volume.isDurable(flag))) {
      this.#fail('I2', `${client} publishes ${name} before done/${parent} is on the disk`);
    }
  }

  #checkStaging(path: string, { before, after }: Notice): void {
    const file = path.slice(path.indexOf('/') + 1);
    if (after !== undefined || before === undefined || file.startsWith('.')) return;
    for (const name of recordedStates(textOf(before))) {
      const record = parseCommitRecord(textOf(before), name)!;
      const isCommitted = holdsRecord(this.#volume.doneText(name) ?? '', record);
      if (isCommitted) this.#checkOwed(name, 'is unstaged');
    }
  }

  /** What has to be true once everybody who was to come has come, and has had the time. */
  finish(states: readonly string[]): void {
    const unsettled = this.unsettled(states);
    if (unsettled !== undefined) this.#fail('liveness', unsettled);
    const left = this.leftOver();
    if (left !== undefined) this.#fail('liveness', left);
    this.#failIf('I1', twiceCommitted(this.#volume));
  }

  /** A state that is neither done nor failed, or whose successor is not there; undefined if there is none. */
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
    // First what costs least to see: it is asked at every turn.
    const open = names.find((name) => !isSettled(name) && !this.#waits(name));
    if (open !== undefined) return `${open} is neither done nor failed`;
    for (const name of names) {
      const record = parseCommitRecord(this.#volume.doneText(name) ?? '', name);
      const missing = publishedStates(record).find((one) => !this.#isThere(one.name));
      if (missing !== undefined) return `${name} is done, but ${missing.name} is not there`;
    }
    return undefined;
  }

  /** For events, of which there are none: nothing is left to do there. */
  #waits(name: string): boolean {
    // What the power has torn is mended when it is needed.
    const text = this.#volume.follower(name)?.content ?? this.#volume.text(name) ?? '';
    const known = this.#waiting.get(text);
    if (known !== undefined) return known;
    const isWaiting = this.#isWaiting(text);
    this.#waiting.set(text, isWaiting);
    return isWaiting;
  }

  #isWaiting(text: string): boolean {
    const parsed = parseStateFile(new TextEncoder().encode(text));
    if (!parsed.ok) return false;
    const resolved = resolveState(this.#options.registry, parsed.file);
    return resolved.ok && resolved.kind === 'waiting';
  }

  #isThere(name: string): boolean {
    return this.#volume.hasState(name) || this.#volume.exists(`failed/${name}`);
  }

  /** Flags and traces of anybody but `worker`; undefined if there are none. */
  leftOver(worker?: string): string | undefined {
    return leftOver(this.#volume, worker);
  }

  #failIf(invariant: string, problem: string | undefined): void {
    if (problem !== undefined) this.#fail(invariant, problem);
  }

  #fail(invariant: string, message: string): void {
    this.#violation ??= new Violation(invariant, message);
  }
}

/** A record of this state, or the token of whoever committed it. */
function isCommit(name: string, text: string | undefined): boolean {
  return parseCommitRecord(text ?? '', name) !== undefined || parseToken(text) !== undefined;
}
