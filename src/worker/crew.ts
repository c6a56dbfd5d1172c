/** What a worker holds: claims it, examines it, ticks it, and settles it in Update System. */
import { parseStateFile } from '../machine/state-file.ts';
import type { Registry } from '../machine/registry.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import type { JournalEntry, Session, Step, Window } from '../volume/contract.ts';
import {
  conclude,
  judge,
  newHolding,
  newStep,
  prepare,
  refusal,
  type Holding,
  type Scene,
  type Verdict,
} from './holding.ts';
import type { Execute, Log, TickResult } from './ports.ts';

interface CrewPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly execute: Execute;
  readonly log: Log;
}

interface CrewOptions {
  readonly registry: Registry;
  readonly volumeId: string;
}

const RESULT: Record<Step['change']['kind'], JournalEntry['result']> = {
  commit: 'done',
  fail: 'failed',
  retry: 'retry',
  refuse: 'released',
  defer: 'released',
  release: 'released',
};

export class Crew {
  readonly #ports: CrewPorts;
  readonly #options: CrewOptions;
  readonly #onFinished: () => void;
  #session!: Session;
  #holdings = new Map<string, Holding>();
  /** Claims that met an error: ours or not, the next try tells. */
  #unsure = new Set<string>();
  #finishedThisCycle = 0;
  #finishedLastCycle = 0;
  #mayStart = true;
  /** Journal entries that the volume has not taken yet. */
  #unwritten: JournalEntry[] = [];
  #reported = '[]';
  readonly counts = { done: 0, failed: 0 };

  constructor(ports: CrewPorts, options: CrewOptions, onFinished: () => void) {
    this.#ports = ports;
    this.#options = options;
    this.#onFinished = onFinished;
  }

  set session(session: Session) {
    this.#session = session;
  }

  get isEmpty(): boolean {
    return this.#holdings.size + this.#unsure.size === 0;
  }

  get held(): string[] {
    return [...this.#holdings.keys()];
  }

  /** Is this claim of ours one that we hold, may hold, or take with what is not settled yet? */
  knows(name: string): boolean {
    const follows = (step: Step | undefined): boolean =>
      step?.change.kind === 'commit' && step.change.record?.next?.name === name;
    return (
      this.#holdings.has(name) ||
      this.#unsure.has(name) ||
      [...this.#holdings.values()].some(({ step }) => follows(step))
    );
  }

  get isRunning(): boolean {
    return this.#in('running').length > 0 || this.hasFinished;
  }

  /** What met an error waits for the next cycle. */
  get hasFinished(): boolean {
    return this.#in('finished').some((holding) => holding.step?.error === undefined);
  }

  /** As many as it ticks at once, or twice what it got through last cycle, so that it never runs dry. */
  get room(): number {
    const { concurrency, capacity } = this.#session.token;
    const wanted = Math.max(concurrency, 2 * this.#finishedLastCycle);
    return Math.min(capacity, wanted) - this.#holdings.size - this.#unsure.size;
  }

  #in(stage: Holding['stage']): Holding[] {
    return [...this.#holdings.values()].filter((holding) => holding.stage === stage);
  }

  /** Worker Commitment: claims from the list, in its order, while there is room and the phase lasts. */
  async claim(names: readonly string[], window: Window): Promise<void> {
    const again = [...this.#unsure];
    const fresh = names.filter((name) => !this.#holdings.has(name) && !this.#unsure.has(name));
    for (const name of [...again, ...fresh.slice(0, Math.max(0, this.room))]) {
      if (!window.mayStart()) return;
      this.#unsure.add(name);
      try {
        const outcome = await this.#session.claim(name, window);
        if (outcome === 'ours') this.#holdings.set(name, newHolding(name, this.#session.stamp()));
        if (outcome !== 'late') this.#unsure.delete(name);
      } catch (error) {
        this.#ports.log.warn({ err: error, state: name }, 'cannot tell whether the claim stands');
      }
    }
  }

  /** Reads what was claimed, and again what did not parse. */
  async examine(): Promise<void> {
    for (const holding of this.#in('claimed')) {
      try {
        const intake = await this.#session.intake(holding.name);
        await this.#apply(holding, judge(holding.name, intake, holding.suspicion, this.#scene()));
      } catch (error) {
        this.#ports.log.warn({ err: error, state: holding.name }, 'cannot read; trying again');
      }
    }
  }

  #scene(): Scene {
    const { registry, volumeId } = this.#options;
    return { token: this.#session.token, now: this.#session.stamp(), volumeId, registry };
  }

  async #apply(holding: Holding, verdict: Verdict): Promise<void> {
    if (verdict.kind === 'ready') {
      holding.stage = 'ready';
      holding.work = verdict.work;
    } else if (verdict.kind === 'wait') {
      holding.suspicion = verdict.suspicion;
    } else if (verdict.kind === 'change') {
      this.#finish(holding, newStep(holding.name, verdict.change));
    } else {
      const { machine, reason } = verdict;
      const sessions = await this.#session.sessions();
      const change = refusal(holding.name, machine, reason, sessions, this.#scene());
      this.#finish(holding, newStep(holding.name, change));
    }
  }

  /** As many as may run at once, the higher priority first. */
  startTicks(): void {
    if (!this.#mayStart) return;
    const free = this.#session.token.concurrency - this.#in('running').length;
    const ready = this.#in('ready').sort((a, b) => priority(b) - priority(a));
    for (const holding of ready.slice(0, Math.max(0, free))) void this.#tick(holding);
  }

  async #tick(holding: Holding): Promise<void> {
    const { clock, execute, random } = this.#ports;
    const work = holding.work!;
    const { task } = work;
    const abort = new AbortController();
    const began = clock.monotonic();
    const started = this.#session.stamp();
    holding.stage = 'running';
    holding.running = { abort, overdue: began + task.activity.timeout };
    this.#setDeadline();
    this.#ports.log.debug(
      { state: task.name, machine: task.machine, attempt: task.attempt },
      'tick',
    );
    const result: TickResult = await execute(task, abort.signal);
    if (this.#holdings.get(holding.name) !== holding) return;
    const change = conclude(work, result, started, this.#scene(), random);
    const { worker, session } = this.#session.token;
    holding.entry = {
      started,
      duration: Math.round(clock.monotonic() - began),
      state: task.name,
      machine: task.machine,
      worker,
      session,
      attempt: task.attempt,
      result: RESULT[change.kind],
    };
    this.#finishedThisCycle += 1;
    this.#finish(holding, newStep(holding.name, change));
    this.#setDeadline();
    this.startTicks();
    this.#onFinished();
  }

  #finish(holding: Holding, step: Step): void {
    holding.stage = 'finished';
    holding.running = undefined;
    holding.step = step;
  }

  /** Before a tick begins: one that blocks the event loop past its timeout stops the proof of life too. */
  #setDeadline(): void {
    const overdue = this.#in('running').map((holding) => holding.running!.overdue);
    this.#session.setDeadline(Math.min(...overdue) + this.#session.lease);
  }

  /** Update System: carries out what was decided; what meets an error stays and is tried again. */
  async settle(window: Window): Promise<void> {
    const holdings = this.#in('finished');
    if (!this.#mayStart) holdings.push(...this.#release());
    if (holdings.length === 0) return;
    const steps = holdings.map((holding) => holding.step!);
    await this.#session.settle(steps, window);
    for (const holding of holdings) {
      const step = holding.step!;
      if (step.progress !== 'settled') this.#reportError(step);
      else this.#unwritten.push(...this.#settled(holding, step));
    }
    this.startTicks();
    await this.#session.journal(this.#unwritten);
    this.#unwritten = [];
  }

  /** A stopping worker gives back what it has not begun. */
  #release(): Holding[] {
    const now = this.#session.stamp();
    for (const name of this.#unsure) this.#holdings.set(name, newHolding(name, now));
    this.#unsure.clear();
    const idle = [...this.#in('claimed'), ...this.#in('ready')];
    for (const holding of idle) this.#finish(holding, newStep(holding.name, { kind: 'release' }));
    return idle;
  }

  #settled(holding: Holding, step: Step): JournalEntry[] {
    this.#holdings.delete(holding.name);
    if (step.change.kind === 'commit' && !step.lost) this.counts.done += 1;
    if (step.change.kind === 'fail') this.counts.failed += 1;
    this.#logSettled(holding, step);
    if (step.followed) this.#takeSuccessor(step);
    if (holding.entry === undefined) return [];
    return [{ ...holding.entry, ...(step.lost && { result: 'lost' as const }) }];
  }

  #logSettled(holding: Holding, step: Step): void {
    const { log } = this.#ports;
    const { change, name } = step;
    const facts = { state: name, ...(holding.entry && { duration: holding.entry.duration }) };
    if (step.lost)
      log.warn(facts, `${name} was committed by another worker; this result is dropped`);
    else if (change.kind === 'commit') log.info(facts, `${name} is done`);
    else if (change.kind === 'fail') log.error(facts, `${name} failed: ${change.record.reason}`);
    else if (change.kind === 'retry') {
      const { error, notBefore } = change.attempt;
      log.warn({ ...facts, notBefore }, `${name} will be tried again: ${error?.message}`);
    } else log.info(facts, `${name} is given back (${change.kind})`);
  }

  #takeSuccessor(step: Step): void {
    const next = step.change.kind === 'commit' ? step.change.record?.next : undefined;
    if (next === undefined) return;
    const holding = newHolding(next.name, this.#session.stamp());
    this.#holdings.set(next.name, holding);
    const parsed = parseStateFile(new TextEncoder().encode(next.content));
    // What cannot be run at once is read like any other state in the next Worker Commitment.
    if (!parsed.ok) return;
    const verdict = prepare(next.name, parsed.file, [], this.#scene());
    if (verdict.kind !== 'ready') return;
    holding.stage = 'ready';
    holding.work = verdict.work;
  }

  #reportError(step: Step): void {
    if (step.error === undefined) return;
    this.#ports.log.warn({ err: step.error, state: step.name }, 'not settled yet; trying again');
  }

  /** For people: what is held, and since when. Work does not wait for it. */
  async report(): Promise<void> {
    const held = [...this.#holdings.values()].map(({ name, since, stage, work }) => ({
      state: name,
      machine: work?.task.machine,
      stage,
      since,
      attempt: work?.task.attempt ?? 1,
    }));
    const text = JSON.stringify(held);
    if (text === this.#reported) return;
    try {
      await this.#session.reportHeld(held);
      this.#reported = text;
    } catch (error) {
      this.#ports.log.debug({ err: error }, 'cannot say what is held');
    }
  }

  endCycle(): void {
    this.#finishedLastCycle = this.#finishedThisCycle;
    this.#finishedThisCycle = 0;
  }

  stopStarting(): void {
    this.#mayStart = false;
  }

  /** Running ticks are told to end; they come back as `aborted`, and are released when settled. */
  abortTicks(): void {
    for (const holding of this.#in('running')) holding.running!.abort.abort();
  }

  /** Forgets everything: for a session that is no more. */
  abandon(): void {
    this.abortTicks();
    this.#holdings.clear();
    this.#unsure.clear();
  }
}

function priority(holding: Holding): number {
  return holding.work?.file.priority ?? 0;
}
