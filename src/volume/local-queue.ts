/**
 * What this session has claimed and the worker has not finished: read, handed out to `take`, and settled in Update System.
 * Named after graphile-worker's LocalQueue. It claims more than its slots can begin only where no other worker is kept
 * waiting by that: see `phases/prefetch.ts`.
 *
 * A settlement is answered once, in one of these ways:
 *
 *   settled, failed, lost   Update System has carried it out, or found another session's commit
 *   outdated                its decision has read what is not of this cycle, or a refused state is asked for again later:
 *                           the state is decided anew
 *   unsure                  its hold is not of this session any more, which has expired, or met a bug
 *   rejected                a bug in the refusal of a state
 *
 * A hold that is settled twice has its first outcome, and both are answered with that.
 */
import type { Hold, Settled, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import { invariant, InvariantError, throwBug } from '../machine/invariant.ts';
import type { StateFile } from '../machine/state-file.ts';
import {
  changeOf,
  newClaimedTask,
  newSettlement,
  readOfSuccessor,
  settledOf,
  refusalChange,
  VolumeTask,
  type ClaimedTask,
  type TaskReader,
} from './claimed-task.ts';
import { ClaimReader, MAX_BURST_STATES, type QueuePorts } from './claim-reader.ts';
import { ClaimTarget } from './claim-target.ts';
import { ClaimedTasks, claimReport } from './claimed-tasks.ts';
import { entryOf, settledEntry } from '../engine/journal-entry.ts';
import { JournalQueue } from './journal.ts';
import { logRetried, logUnasked } from './log-recovery.ts';
import type {
  VolumeOutcome,
  JournalEntry,
  PhaseGuard,
  VolumeSettlement,
  VolumeOperations,
} from './operations.ts';
import { PendingTake } from '../engine/waits.ts';
import { cycleLength } from './phases/cycle.ts';

export interface QueueOptions {
  /** Listings show what was done a moment ago. Where they do not, a stored machine may take a while to be seen (I8). */
  readonly freshListings: boolean;
}

/** Names that are taken from a plan before it is known whether the phase lasts for all of them. */
const MAX_CLAIMS = 128;
const UNKNOWN_MACHINE = '\0 unknown machine';

export class LocalQueue {
  readonly #ports: QueuePorts;
  readonly #worker: WorkerInfo;
  readonly #options: QueueOptions;
  readonly #onFinished: () => void;
  #operations!: VolumeOperations;
  readonly #tasks = new ClaimedTasks();
  readonly #claimReader: ClaimReader;
  /** Claims that met an error: ours or not, the next try tells. */
  readonly #unsure = new Set<string>();
  #target!: ClaimTarget;
  readonly #pending = new PendingTake();
  readonly #reader: TaskReader;
  #takes = true;
  /** Nothing is written any more. */
  #hasFailed = false;
  /** The least deadline of the running ticks (monotonic, ms), as the session knows it. */
  #firstDeadline = Number.POSITIVE_INFINITY;
  #hasFirstEnded = false;
  /** Number of running ticks that have a deadline. */
  #promised = 0;
  /** Other workers may have nothing to do: what they could begin is not kept from them. */
  isScarce = false;
  /** Cycles since the epoch: this one, and the one in which other instances were read. */
  readonly when: { cycle: number; seen: number } = { cycle: Number.NaN, seen: Number.NaN };
  /** There is nothing to claim. */
  isIdle = false;
  /** States that failed without a worker: their files could not be read. */
  unreadable = 0;
  readonly #unwritten = new JournalQueue();
  #reported = '[]';

  /** `onFinished`: called when an outcome has come that Update System can settle. */
  constructor(
    ports: QueuePorts,
    worker: WorkerInfo,
    options: QueueOptions,
    onFinished: () => void,
  ) {
    this.#ports = ports;
    this.#worker = worker;
    this.#options = options;
    this.#onFinished = onFinished;
    this.#claimReader = new ClaimReader(ports, worker, this.#tasks);
    const { when } = this;
    this.#reader = {
      get seen() {
        return when.seen;
      },
      observe: (instance) => this.#operations.sensor(instance),
      history: (name) => this.#operations.history(name),
    };
  }

  set operations(operations: VolumeOperations) {
    const { session } = operations.token;
    invariant(this.isEmpty, 'I6: expected a new session to hold nothing', undefined, session);
    this.#operations = operations;
    [this.#firstDeadline, this.#promised] = [Number.POSITIVE_INFINITY, 0];
    this.#target = new ClaimTarget(
      this.#ports.clock,
      this.#worker,
      cycleLength(operations.phases),
      operations.token.capacity,
    );
  }

  get isEmpty(): boolean {
    return this.#held === 0;
  }

  get held(): string[] {
    return Array.from(this.#tasks.all, ({ name }) => name);
  }

  /** Is this claim one that this session holds, may hold, or takes with what is not settled yet? */
  knows(name: string): boolean {
    return this.#tasks.has(name) || this.#unsure.has(name) || this.#tasks.isFollowing(name);
  }

  /** Ticks. */
  get running(): number {
    return this.#tasks.in('running').size;
  }

  get isRunning(): boolean {
    return this.running > 0 || this.#tasks.in('deciding').size > 0 || this.hasFinished;
  }

  /** What met an error waits for the next cycle. */
  get hasFinished(): boolean {
    for (const { step } of this.#tasks.in('finished')) {
      if (step?.error === undefined) return true;
    }
    return false;
  }

  /** States to hold: what the worker ticks at once, and what it will begin until it may claim again. */
  get target(): number {
    return this.#target.within(1, this.#ages, this.isScarce);
  }

  /** States that it can claim in the cycle to come: what it has room for, and what it will begin. */
  get demand(): number {
    return Math.max(0, this.room) + Math.ceil(this.#target.forecast(1, this.#ages).mean);
  }

  get room(): number {
    return this.target - this.#held;
  }

  /** Whether it should have a share in the next split: that one lasts until the end of the next cycle. */
  get needsShare(): boolean {
    return this.#target.within(2, this.#ages, this.isScarce) > this.#held;
  }

  /** Milliseconds for which each tick has run. */
  get #ages(): number[] {
    const now = this.#ports.clock.monotonic();
    return Array.from(this.#tasks.in('running'), (task) => now - task.handedOut!.began);
  }

  get #held(): number {
    return this.#tasks.size + this.#unsure.size;
  }

  /** It holds claims whose ticks have not begun. */
  get hasUnstarted(): boolean {
    return this.#tasks.in('ready').size > 0;
  }

  /** Claims names as they come, while there is room and the phase lasts: a burst of them at most. */
  async claim(next: () => string | undefined, guard: PhaseGuard): Promise<void> {
    const since = this.#operations.stamp();
    for (const name of this.#unsure) await this.#claimOne(name, since, guard);
    // A successor of what is not settled yet is taken with that, or comes with a later split.
    const nextNew = (): string | undefined => {
      for (let name = next(); name !== undefined; name = next()) if (!this.knows(name)) return name;
      return undefined;
    };
    for (let left = Math.min(MAX_BURST_STATES, this.room); left > 0 && guard.canBegin();) {
      const limit = Math.min(left, this.#options.freshListings ? MAX_CLAIMS : 1);
      const claims = await this.#operations.claimMany(nextNew, limit, guard);
      const { ours, others } = claims;
      for (const name of ours) this.#hold(newClaimedTask(name, since));
      // Known even if the phase has ended: the claim may stand.
      const unsure = claims.unsure.filter((name) => !this.knows(name));
      for (const name of unsure) this.#unsure.add(name);
      for (const name of unsure) await this.#claimOne(name, since, guard);
      for (const name of others) {
        if (!this.knows(name)) await this.#claimOne(name, since, guard);
      }
      left -= limit;
      if (ours.length + claims.unsure.length + others.length < limit) break;
    }
    const { session, capacity } = this.#operations.token;
    invariant(this.#held <= capacity, 'I6: expected held <= capacity', undefined, session);
  }

  async #claimOne(name: string, since: string, guard: PhaseGuard): Promise<void> {
    if (!guard.canBegin()) return;
    this.#unsure.add(name);
    try {
      const outcome = await this.#operations.claim(name, guard);
      if (outcome === 'ours') this.#hold(newClaimedTask(name, since));
      if (outcome !== 'late') this.#unsure.delete(name);
    } catch (error) {
      throwBug(error);
      this.#ports.log.warn({ err: error, state: name }, 'cannot tell whether the claim stands');
    }
  }

  #hold(task: ClaimedTask): void {
    if (this.#tasks.size === 0) this.#target.work(true);
    this.#tasks.add(task);
  }

  get hasUnread(): boolean {
    for (const { partial } of this.#tasks.in('claimed')) {
      if (partial === undefined) return true;
    }
    return false;
  }

  /** Reads a burst of what was claimed; in Worker Commitment, again what did not parse. */
  examine(again: boolean): Promise<void> {
    return this.#claimReader.examine(this.#operations, again, (task, change) =>
      this.#finish(task, change),
    );
  }

  /** Resolves as `Session.take` does; one call at a time. */
  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'> {
    const tasks = signal.aborted ? [] : this.#pick(limit);
    if (tasks.length > 0 || signal.aborted) return Promise.resolve(tasks);
    return this.#pending.wait(limit, signal);
  }

  /** As many as the worker has asked for, the higher priority first. */
  handOut(): void {
    const { limit } = this.#pending;
    if (limit === undefined) return;
    const tasks = this.#pick(limit);
    if (tasks.length > 0) this.#pending.answer(tasks);
  }

  /** Nothing is left anywhere. */
  tellDrained(): void {
    this.#pending.answer('drained');
  }

  /** The session cannot go on. */
  fail(error: unknown): void {
    this.#hasFailed = true;
    this.#pending.fail(error as Error);
  }

  #pick(limit: number): Task[] {
    if (!this.#takes) return [];
    const tasks = Array.from(this.#tasks.in('undecided'), (one) => this.#toTask(one, 'deciding'));
    for (let left = limit; left > 0; left -= 1) {
      const next = this.#tasks.next;
      if (next === undefined) break;
      tasks.push(this.#toTask(next, 'running'));
    }
    return tasks;
  }

  #toTask(one: ClaimedTask, stage: 'deciding' | 'running'): Task {
    const { session } = this.#operations.token;
    invariant(one.step === undefined, 'I1: expected a hold without an outcome', one.name);
    const now = this.#ports.clock.monotonic();
    one.handedOut = new VolumeTask(one, session, this.when.cycle, now, this.#reader);
    this.#tasks.move(one, stage);
    return one.handedOut;
  }

  /** See `Session.setDeadline`: a tick that blocks the event loop past its timeout stops the heartbeat too. */
  setDeadline(hold: Hold, at: number): void {
    const isRunning = hold instanceof VolumeTask && this.#tasks.in('running').has(hold.claimed);
    if (!isRunning || hold.claimed.handedOut !== hold) return;
    const before = hold.deadline;
    hold.deadline = at;
    if (at !== Number.POSITIVE_INFINITY) this.#promised += 1;
    if (at < this.#firstDeadline) this.#tellDeadline(at);
    this.#endDeadline(before);
    this.#renewDeadline();
  }

  /** Then: `#renewDeadline`, once for all ticks that have ended together. */
  #endDeadline(at: number): void {
    if (at === Number.POSITIVE_INFINITY) return;
    this.#promised -= 1;
    if (at <= this.#firstDeadline) this.#hasFirstEnded = true;
  }

  #renewDeadline(): void {
    if (!this.#hasFirstEnded) return;
    this.#hasFirstEnded = false;
    let first = Number.POSITIVE_INFINITY;
    const running = this.#promised > 0 ? this.#tasks.in('running') : [];
    for (const { handedOut } of running) first = Math.min(first, handedOut!.deadline);
    this.#tellDeadline(first);
  }

  #tellDeadline(first: number): void {
    this.#firstDeadline = first;
    this.#operations.setDeadline(first + this.#operations.lease);
  }

  /** What a worker has decided: carried out in the next Update System. */
  finish(settlements: readonly Settlement[]): Promise<Settled[]> {
    return new Promise((resolve, reject) => {
      const results: Settled[] = [];
      let left = settlements.length;
      if (left === 0) resolve(results);
      for (const [index, settlement] of settlements.entries()) {
        const onSettled = (settled: Settled): void => {
          results[index] = settled;
          left -= 1;
          if (left === 0) resolve(results);
        };
        this.#finishOne(settlement, onSettled, reject);
      }
      this.#renewDeadline();
    });
  }

  /** `onError`: called instead of `onSettled`, with a bug. */
  #finishOne(
    settlement: Settlement,
    onSettled: (settled: Settled) => void,
    onError: (error: unknown) => void,
  ): void {
    const { hold, outcome, tick } = settlement;
    if (!(hold instanceof VolumeTask)) return onSettled('unsure');
    if (!hold.settle(onSettled)) return;
    const task = hold.claimed;
    if (!this.#tasks.isHeld(task) || task.handedOut !== hold) return hold.tell('unsure');
    const isOwn = hold.session === this.#operations.token.session;
    invariant(isOwn, "I6: expected this session's hold", hold.name, hold.session);
    const { deadline } = hold;
    hold.deadline = Number.POSITIVE_INFINITY;
    this.#endDeadline(deadline);
    if (outcome.kind === 'refuse') {
      this.#refuse(task, settlement).catch(onError);
      return;
    }
    const change = this.#changeOf(task, settlement);
    if (tick !== undefined) this.#target.finished(tick.duration);
    else if (outcome.kind !== 'fail' && outcome.kind !== 'defer') this.#target.finished(0);
    this.#finish(task, change, entryOf(task.name, change, settlement, this.#operations));
    this.#onFinished();
  }

  /** I11: what was observed is of this cycle, or the decision is outdated. */
  #changeOf(task: ClaimedTask, settlement: Settlement): VolumeOutcome {
    const { outcome } = settlement;
    const { cycle, seen } = this.when;
    const hasRead = outcome.kind === 'commit' && outcome.readSet !== undefined;
    task.isOutdated = hasRead && (seen !== cycle || task.handedOut?.observedIn !== cycle);
    return task.isOutdated ? { kind: 'release' } : changeOf(settlement, task.read, cycle);
  }

  /** Left to another session that may know it, or failed. A stored machine may take a while to be seen (I8). */
  async #refuse(task: ClaimedTask, { outcome }: Settlement): Promise<void> {
    if (outcome.kind !== 'refuse') return;
    try {
      const { at, patience, ...context } = this.#claimReader.context(this.#operations);
      if (outcome.stored !== undefined && !this.#options.freshListings) {
        const { content, since } = task.partial ?? { content: '', since: at };
        const partial = {
          content: UNKNOWN_MACHINE,
          since: content === UNKNOWN_MACHINE ? since : at,
        };
        if (at - partial.since < patience) return this.#askAgain(task, partial);
      }
      const { token } = this.#operations;
      const others = (await this.#operations.sessions()).filter(
        (one) => one.session !== token.session,
      );
      const sessions = [token, ...others];
      // The session may have expired meanwhile: the state is no longer its own.
      if (!this.#tasks.isHeld(task)) return;
      this.#finish(task, refusalChange(task.name, outcome, task.read!, sessions, context));
    } catch (error) {
      throwBug(error);
      if (!this.#tasks.isHeld(task)) return;
      this.#claimReader.readLater(task, error);
      task.handedOut?.tell('outdated');
    }
    this.#onFinished();
  }

  #askAgain(task: ClaimedTask, partial: ClaimedTask['partial']): void {
    task.partial = partial;
    this.#tasks.move(task, 'claimed');
    task.handedOut?.tell('outdated');
  }

  #finish(task: ClaimedTask, change: VolumeOutcome, entry?: JournalEntry): void {
    task.step = newSettlement(task.name, change);
    task.entry = entry;
    this.#tasks.move(task, 'finished');
  }

  /** Update System: carries out what was decided; what meets an error stays and is tried again. */
  async settle(guard: PhaseGuard): Promise<void> {
    if (guard.canBegin()) this.#giveBack();
    const tasks = this.#toSettle();
    if (tasks.length === 0) return;
    await this.#operations.settle(
      tasks.map(({ step }) => step!),
      guard,
    );
    if (this.#hasFailed) return;
    const settled = new Set(tasks.map(({ name }) => name));
    for (const task of tasks) {
      const { name, progress, error } = task.step!;
      if (progress === 'settled') this.#settled(task, task.step!, settled);
      if (error === undefined) continue;
      this.#ports.log.warn({ err: error, state: name }, 'not settled yet; trying again');
    }
    invariant(this.#tasks.isConsistent, 'I3: expected one stage of each held state');
    this.handOut();
    await this.#unwritten.write(this.#operations, this.#ports.log);
  }

  /** A burst: what has met an error comes after the rest. */
  #toSettle(): ClaimedTask[] {
    const finished = [...this.#tasks.in('finished')];
    if (finished.length <= MAX_BURST_STATES) return finished;
    const hasError = ({ step }: ClaimedTask): boolean => step!.error !== undefined;
    const [failing, others] = [finished.filter(hasError), finished.filter((one) => !hasError(one))];
    return [...others, ...failing].slice(0, MAX_BURST_STATES);
  }

  /** What has not begun: all of it of a stopping worker; and what others could begin sooner. */
  #giveBack(): void {
    if (!this.#takes) {
      const now = this.#operations.stamp();
      for (const name of this.#unsure) this.#tasks.add(newClaimedTask(name, now));
      this.#unsure.clear();
      const unstarted = (['claimed', 'undecided', 'ready'] as const).map((stage) => [
        ...this.#tasks.in(stage),
      ]);
      this.#release(unstarted.flat());
      return;
    }
    const unstarted = this.#tasks.in('ready');
    const kept = this.#target.toKeep(this.#ages, this.isScarce);
    if (unstarted.size > kept) this.#release([...unstarted].slice(kept));
  }

  #release(tasks: readonly ClaimedTask[]): void {
    for (const one of tasks) this.#finish(one, { kind: 'release' });
  }

  /** `together`: the names of all that the same call has settled, or tried to. */
  #settled(task: ClaimedTask, step: VolumeSettlement, together: ReadonlySet<string>): void {
    invariant(!step.followed || !step.lost, 'I1: expected no successor of a lost step', task.name);
    this.#unwritten.add(settledEntry(task.entry, step));
    this.#tasks.delete(task);
    if (this.#tasks.size === 0) this.#target.work(false);
    if (step.followed) this.#takeSuccessor(step, together);
    task.handedOut?.tell(settledOf(step, task.isOutdated));
    if (task.handedOut !== undefined) return;
    if (step.change.kind === 'fail') this.unreadable += 1;
    logUnasked(this.#ports.log, step);
  }

  #takeSuccessor({ name, change }: VolumeSettlement, together: ReadonlySet<string>): void {
    const next = change.kind === 'commit' ? change.record?.next : undefined;
    invariant(next !== undefined, 'I2: expected a record of what is followed', name);
    // Both files were there before the commit, with this content: the successor has a hold of its own, or had one.
    if (this.#tasks.has(next.name) || together.has(next.name)) return;
    this.#unsure.delete(next.name);
    const task = newClaimedTask(next.name, this.#operations.stamp());
    this.#hold(task);
    const { content } = next;
    const read = readOfSuccessor(content);
    // What cannot be run at once is read like any other state in the next Worker Commitment.
    if (read === undefined || !this.#claimReader.needsSlot(read.file)) return;
    task.read = read;
    this.#tasks.move(task, 'ready');
  }

  /** For people: what is held, and since when. Work does not wait for it. */
  async report(): Promise<void> {
    if (this.#hasFailed) return;
    const held = claimReport(this.#tasks);
    const text = JSON.stringify(held);
    if (text === this.#reported) return;
    try {
      await this.#operations.reportClaims(held);
      this.#reported = text;
    } catch (error) {
      throwBug(error);
      this.#ports.log.debug({ err: error }, 'cannot say what is held');
    }
  }

  /** Update System: failed states whose files have changed, or whose machine a worker has by now. */
  async bringBack(cycle: number, guard: PhaseGuard): Promise<void> {
    const runs = async (file: StateFile): Promise<boolean> => {
      try {
        return await this.#worker.runs(file);
      } catch (error) {
        // Of a user's machine: the state stays failed.
        if (error instanceof InvariantError) throw error;
        this.#ports.log.warn({ err: error }, 'cannot tell whether a failed state runs here');
        return false;
      }
    };
    logRetried(this.#ports.log, await this.#operations.bringBack(cycle, guard, runs));
  }

  /** Nothing more is handed out; the next Update System gives back what was not. */
  stop(): void {
    this.#takes = false;
    this.#pending.answer([]);
  }

  /** Running ticks are told to end; the worker settles them as released. */
  abortTicks(): void {
    for (const stage of ['running', 'deciding'] as const) {
      for (const { handedOut } of this.#tasks.in(stage)) handedOut!.abort();
    }
  }

  /** Forgets everything: for a session that has expired. */
  abandon(): void {
    this.abortTicks();
    for (const task of this.#tasks.all) task.handedOut?.tell('unsure');
    this.#tasks.clear();
    this.#unsure.clear();
  }
}
