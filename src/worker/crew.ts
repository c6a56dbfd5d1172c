/** What a worker holds: claims it, examines it, ticks it, and settles it in Update System. */
import type { PastStep } from '../machine/definition.ts';
import { copyPatience, parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import { cycleLength } from '../semaphore/cycle.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import type { JournalEntry, Session, Step, Window } from '../store/session.ts';
import { entryOf, settledEntry, untickedEntry } from './entry.ts';
import {
  conclude,
  newHolding,
  newStep,
  prepare,
  type Holding,
  type Scene,
  type Verdict,
} from './holding.ts';
import { appraise } from './appraise.ts';
import { heldOf } from './held.ts';
import { Holdings } from './holdings.ts';
import { JournalQueue } from './journal-queue.ts';
import { Library } from './library.ts';
import { logBack, logSettled } from './log-settled.ts';
import { prefetchTarget, unstartedToKeep } from './prefetch.ts';
import { readingOf, receive, sightsOf } from './receive.ts';
import type { Execute, Log, TickResult, WorkerOptions, WorkerPorts } from './ports.ts';
import { refusal } from './refusal.ts';
import type { Member, Slots } from './slots.ts';
import { ThroughputEstimator, type Forecast } from './throughput.ts';

interface CrewPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly execute: Execute;
  readonly log: Log;
  readonly slots: Slots;
  readonly machines?: WorkerPorts['machines'];
}

type CrewOptions = Pick<WorkerOptions, 'registry' | 'volumeId' | 'trustVolume' | 'freshListings'>;

/** So many claims, or whatever else is done in one go: ticks begin, and results are settled, in between. */
const BURST = 1024;
/** No content of a file, and no errno. */
const UNREAD = '\0 not read';

export class Crew implements Member {
  readonly #ports: CrewPorts;
  readonly #options: CrewOptions;
  readonly #onFinished: () => void;
  readonly library: Library;
  #session!: Session;
  #holdings = new Holdings();
  /** Claims that met an error: ours or not, the next try tells. */
  #unsure = new Set<string>();
  #throughput!: ThroughputEstimator;
  #mayStart = true;
  /** Other workers may have nothing to do: what they could begin is not kept from them. */
  isScarce = false;
  /** Cycles since the epoch: this one, and the one in which the session has looked where instances are. */
  readonly when: { cycle: number; seen: number } = { cycle: Number.NaN, seen: Number.NaN };
  /** There is nothing to claim. */
  isIdle = false;
  readonly #unwritten = new JournalQueue();
  #reported = '[]';
  readonly counts = { done: 0, failed: 0 };

  constructor(ports: CrewPorts, options: CrewOptions, onFinished: () => void) {
    this.#ports = ports;
    this.#options = options;
    this.#onFinished = onFinished;
    this.library = new Library(ports.machines ?? options.registry, options.trustVolume ?? false);
  }

  set session(session: Session) {
    this.#session = session;
    this.#throughput = new ThroughputEstimator(2 * cycleLength(session.phases));
  }

  get isEmpty(): boolean {
    return this.#held === 0;
  }

  get held(): string[] {
    return Array.from(this.#holdings.all, ({ name }) => name);
  }

  /** Is this claim of ours one that we hold, may hold, or take with what is not settled yet? */
  knows(name: string): boolean {
    return this.#holdings.has(name) || this.#unsure.has(name) || this.#holdings.isFollowing(name);
  }

  get isActive(): boolean {
    return !this.isIdle || !this.isEmpty;
  }

  get running(): number {
    return this.#holdings.in('running').size;
  }

  get isRunning(): boolean {
    return this.running > 0 || this.hasFinished;
  }

  /** What met an error waits for the next cycle. */
  get hasFinished(): boolean {
    for (const { step } of this.#holdings.in('finished')) {
      if (step?.error === undefined) return true;
    }
    return false;
  }

  /** States to hold: what it ticks at once, and what it will begin until it may claim again. */
  get wanted(): number {
    return this.#wantedFor(1);
  }

  #wantedFor(cycles: number): number {
    const limit = this.#ports.slots.limit(this);
    const prefetch = prefetchTarget(this.#forecast(cycles), this.isScarce);
    return Math.min(this.#session.token.capacity, limit + prefetch);
  }

  /** Of so many cycles from now. */
  #forecast(cycles: number): Forecast {
    const now = this.#ports.clock.monotonic();
    const ages = Array.from(this.#holdings.in('running'), ({ running }) => now - running!.began);
    const idle = Math.max(0, this.#ports.slots.limit(this) - ages.length);
    const horizon = cycles * cycleLength(this.#session.phases);
    return this.#throughput.forecast({ ages, idle }, horizon, now);
  }

  /** States that it can claim in the cycle to come: what it has room for, and what it will begin. */
  get appetite(): number {
    return Math.max(0, this.room) + Math.ceil(this.#forecast(1).mean);
  }

  get room(): number {
    return this.wanted - this.#held;
  }

  /** Whether it should have a share in the next split: that one lasts until the end of the next cycle. */
  get needsShare(): boolean {
    return this.#wantedFor(2) > this.#held;
  }

  get #held(): number {
    return this.#holdings.size + this.#unsure.size;
  }

  /** It holds claims whose ticks have not begun. */
  get hasUnstarted(): boolean {
    return this.#holdings.in('ready').size > 0;
  }

  /** Claims names as they come, while there is room and the phase lasts: a burst of them at most. */
  async claim(next: () => string | undefined, window: Window): Promise<void> {
    const since = this.#session.stamp();
    for (const name of this.#unsure) await this.#claimOne(name, since, window);
    for (let left = Math.min(BURST, this.room); left > 0 && window.mayStart(); left -= 1) {
      const name = next();
      if (name === undefined) return;
      if (!this.#holdings.has(name) && !this.#unsure.has(name))
        await this.#claimOne(name, since, window);
    }
  }

  async #claimOne(name: string, since: string, window: Window): Promise<void> {
    if (!window.mayStart()) return;
    this.#unsure.add(name);
    try {
      const outcome = await this.#session.claim(name, window);
      if (outcome === 'ours') this.#hold(newHolding(name, since));
      if (outcome !== 'late') this.#unsure.delete(name);
    } catch (error) {
      this.#ports.log.warn({ err: error, state: name }, 'cannot tell whether the claim stands');
    }
  }

  #hold(holding: Holding): void {
    if (this.#holdings.size === 0) this.#throughput.work(true, this.#ports.clock.monotonic());
    this.#holdings.add(holding);
  }

  get hasUnread(): boolean {
    for (const { suspicion } of this.#holdings.in('claimed')) {
      if (suspicion === undefined) return true;
    }
    return false;
  }

  /** Reads a burst of what was claimed; in Worker Commitment, again what did not parse. */
  async examine(again: boolean): Promise<void> {
    let left = BURST;
    const means = {
      library: this.library,
      session: this.#session,
      scene: () => this.#scene(),
      freshListings: this.#options.freshListings,
    };
    for (const holding of this.#holdings.in('claimed')) {
      if (holding.suspicion !== undefined && !again) continue;
      if (left === 0) return;
      left -= 1;
      try {
        await this.library.look(this.#session, this.when.cycle);
        const intake = await this.#session.intake(holding.name);
        await this.#apply(holding, await appraise(holding, intake, means));
      } catch (error) {
        this.#ports.log.warn({ err: error, state: holding.name }, 'cannot read; trying again');
        // Not at once: in the next Worker Commitment.
        holding.suspicion = { content: UNREAD, since: this.#ports.clock.monotonic() };
      }
    }
  }

  #scene(): Scene {
    const { volumeId } = this.#options;
    const { registry, newest } = this.library;
    const { token, phases } = this.#session;
    const patience = copyPatience(cycleLength(phases));
    const at = this.#ports.clock.monotonic();
    const sensor = (instance: string): InstanceSnapshot | undefined =>
      readingOf(registry, this.#session.sensor(instance));
    const history = (name: string): Promise<readonly PastStep[]> => this.#session.history(name);
    const now = this.#session.stamp();
    return { token, now, at, patience, volumeId, registry, newest, ...this.when, sensor, history };
  }

  async #apply(holding: Holding, verdict: Verdict): Promise<void> {
    if (verdict.kind === 'ready') {
      holding.work = verdict.work;
      this.#holdings.move(holding, 'ready');
    } else if (verdict.kind === 'wait') {
      holding.suspicion = verdict.suspicion;
    } else if (verdict.kind === 'change') {
      holding.entry = untickedEntry(holding.name, verdict.ended, verdict.change, this.#session);
      this.#finish(holding, newStep(holding.name, verdict.change));
    } else if (verdict.kind === 'waits') {
      const events = await this.#session.events(holding.name);
      const change = receive(holding.name, verdict, events, this.#scene());
      holding.entry = untickedEntry(holding.name, verdict.machine.name, change, this.#session);
      this.#throughput.finished(0);
      this.#finish(holding, newStep(holding.name, change));
    } else {
      const sessions = await this.#session.sessions();
      const change = refusal(holding.name, verdict, sessions, this.#scene());
      this.#finish(holding, newStep(holding.name, change));
    }
  }

  /** As many as may run at once, the higher priority first. */
  startTicks(): void {
    if (!this.#mayStart) return;
    while (this.running < this.#ports.slots.limit(this)) {
      const next = this.#holdings.next;
      if (next === undefined) return;
      void this.#tick(next);
    }
  }

  async #tick(holding: Holding): Promise<void> {
    const { clock, execute, random } = this.#ports;
    const work = holding.work!;
    const { task } = work;
    const abort = new AbortController();
    const began = clock.monotonic();
    const started = this.#session.stamp();
    holding.running = { abort, began, overdue: began + task.activity.timeout };
    this.#holdings.move(holding, 'running');
    this.#setDeadline();
    this.#ports.log.debug(
      { state: task.name, machine: task.machine, attempt: task.attempt },
      'tick',
    );
    const sensors = sightsOf(work.machine, this.#scene().sensor);
    const result: TickResult = await execute({ ...task, sensors }, abort.signal);
    if (!this.#holdings.isHeld(holding)) return;
    const change = conclude(work, result, started, this.#scene(), random);
    const duration = Math.round(clock.monotonic() - began);
    holding.entry = entryOf(task, this.#session.token, change, { started, duration });
    this.#throughput.finished(duration);
    this.#finish(holding, newStep(holding.name, change));
    this.#setDeadline();
    this.#ports.slots.offer();
    this.#onFinished();
  }

  #finish(holding: Holding, step: Step): void {
    holding.running = undefined;
    holding.step = step;
    this.#holdings.move(holding, 'finished');
  }

  /** Before a tick begins: one that blocks the event loop past its timeout stops the proof of life too. */
  #setDeadline(): void {
    let first = Number.POSITIVE_INFINITY;
    for (const { running } of this.#holdings.in('running'))
      first = Math.min(first, running!.overdue);
    this.#session.setDeadline(first + this.#session.lease);
  }

  /** Update System: carries out what was decided; what meets an error stays and is tried again. */
  async settle(window: Window): Promise<void> {
    if (window.mayStart()) this.#giveBack();
    const holdings = [...this.#holdings.in('finished')].slice(0, BURST);
    if (holdings.length === 0) return;
    const steps = holdings.map((holding) => holding.step!);
    await this.#session.settle(steps, window);
    const settled = holdings.filter(({ step }) => step!.progress === 'settled');
    for (const holding of settled) this.#unwritten.add(this.#settled(holding, holding.step!));
    for (const { step } of holdings) this.#reportError(step!);
    logSettled(this.#ports.log, settled);
    this.startTicks();
    await this.#unwritten.write(this.#session, this.#ports.log);
  }

  /** What has not begun: all of it of a stopping worker; and what others could begin sooner. */
  #giveBack(): void {
    if (!this.#mayStart) {
      const now = this.#session.stamp();
      for (const name of this.#unsure) this.#holdings.add(newHolding(name, now));
      this.#unsure.clear();
      this.#release([...this.#holdings.in('claimed'), ...this.#holdings.in('ready')]);
      return;
    }
    const unstarted = this.#holdings.in('ready');
    const kept = unstartedToKeep(this.#forecast(1), this.isScarce);
    if (unstarted.size > kept) this.#release([...unstarted].slice(kept));
  }

  #release(holdings: readonly Holding[]): void {
    for (const one of holdings) this.#finish(one, newStep(one.name, { kind: 'release' }));
  }

  #settled(holding: Holding, step: Step): JournalEntry[] {
    this.#holdings.delete(holding);
    if (this.#holdings.size === 0) this.#throughput.work(false, this.#ports.clock.monotonic());
    if (step.change.kind === 'commit' && !step.lost) this.counts.done += 1;
    if (step.change.kind === 'fail') this.counts.failed += 1;
    if (step.followed) this.#takeSuccessor(step);
    return settledEntry(holding.entry, step);
  }

  #takeSuccessor(step: Step): void {
    const next = step.change.kind === 'commit' ? step.change.record?.next : undefined;
    if (next === undefined) return;
    const holding = newHolding(next.name, this.#session.stamp());
    this.#hold(holding);
    const parsed = parseStateFile(new TextEncoder().encode(next.content));
    // What cannot be run at once is read like any other state in the next Worker Commitment.
    if (!parsed.ok) return;
    const verdict = prepare(next.name, parsed.file, [], this.#scene());
    if (verdict.kind !== 'ready') return;
    holding.work = verdict.work;
    this.#holdings.move(holding, 'ready');
  }

  #reportError(step: Step): void {
    if (step.error === undefined) return;
    this.#ports.log.warn({ err: step.error, state: step.name }, 'not settled yet; trying again');
  }

  /** For people: what is held, and since when. Work does not wait for it. */
  async report(): Promise<void> {
    const held = heldOf(this.#holdings);
    const text = JSON.stringify(held);
    if (text === this.#reported) return;
    try {
      await this.#session.reportHeld(held);
      this.#reported = text;
    } catch (error) {
      this.#ports.log.debug({ err: error }, 'cannot say what is held');
    }
  }

  /** Update System: failed states that were put aside for what their files said, and that may run by now. */
  async bringBack(cycle: number, window: Window): Promise<void> {
    const runs = (file: StateFile): Promise<boolean> =>
      this.library.runs(file, this.#session, cycle);
    logBack(this.#ports.log, await this.#session.bringBack(cycle, window, runs));
  }

  stopStarting(): void {
    this.#mayStart = false;
  }

  /** Running ticks are told to end; they come back as `aborted`, and are released when settled. */
  abortTicks(): void {
    for (const { running } of this.#holdings.in('running')) running!.abort.abort();
  }

  /** Forgets everything: for a session that is no more. */
  abandon(): void {
    this.abortTicks();
    this.#holdings.clear();
    this.#unsure.clear();
  }
}
