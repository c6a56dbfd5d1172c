/**
 * Checks what every engine promises, by the calls of clients and sessions and their true answers: each step is committed once
 * (I1), held by one session (I6), ticked no more often than it has attempts; each event is applied once, in order (I10); joins
 * are whole (I12); what was observed has not moved (I11); nothing is drained too early (I8); and in the end every instance is where its machine says.
 */
import type { Engine, InstanceStep } from '../engine/engine.ts';
import type { Session, Settled, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import { parseEventName } from '../machine/event.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import { publishedStates, type CommitRecord, type PublishedState } from '../machine/record.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { DEFAULT_GRACE_MS } from '../machine/decide.ts';
import type { SessionObserver } from './engine-under-test.ts';
import {
  EventLedger,
  StepChecker,
  ForkChecker,
  type StepCheckerOptions,
  TrueSteps,
} from './common-checkers.ts';
import { LAMP_SEEN, wrongSight } from './workloads.ts';
import { HoldChecker } from './hold-checker.ts';
import { Violation } from './outcome.ts';

const encoder = new TextEncoder();

/** What an engine has committed, as its settlements were answered. */
class CommitLog extends TrueSteps {
  readonly #done = new Map<string, CommitRecord | undefined>();
  /** Contents by name: what users submitted, and what commits published. The first counts. */
  readonly states: Map<string, string> = new Map();
  readonly #events = new Map<string, string>();

  get commits(): number {
    return this.#done.size;
  }

  /** The events that it sends are known by their contents. */
  commit(name: string, record: CommitRecord | undefined): void {
    this.#done.set(name, record);
    for (const event of record?.emit ?? []) this.#events.set(event.name, event.content);
  }

  /** Returns false if another content has this name. */
  publish({ name, content }: PublishedState): boolean {
    const known = this.states.get(name);
    if (known === undefined) this.states.set(name, content);
    return known === undefined || known === content;
  }

  isDone(name: string): boolean {
    return this.#done.has(name);
  }

  recordOf(name: string): CommitRecord | undefined {
    return this.#done.get(name);
  }

  hasState(name: string): boolean {
    return this.states.has(name);
  }

  eventText(file: string): string | undefined {
    return this.#events.get(file);
  }
}

export class EngineOracle implements SessionObserver {
  readonly #now: () => number;
  readonly #engine: Engine;
  readonly #log = new CommitLog();
  readonly #steps: StepChecker;
  readonly #holds: HoldChecker;
  readonly #events = new EventLedger();
  readonly #forks: ForkChecker;
  /** Sessions that take. */
  readonly #sessions = new Map<Session, WorkerInfo>();
  /** Answers that were given. */
  readonly #answers = new WeakMap<Settlement, Settled>();
  readonly #failed = new Set<string>();
  /** True times at which states, and events by id, became known to the engine. */
  readonly #since = new Map<string, number>();
  readonly #rejected = new Set<string>();
  /** By instance: time of the last event of a user that was applied there. */
  readonly #lastApplied = new Map<string, string>();
  /** Ids of events that users sent. */
  readonly #sent = new Set<string>();
  /** True time since which the engine is paused. */
  #paused = Number.POSITIVE_INFINITY;
  #violation: Violation | undefined;

  constructor(now: () => number, engine: Engine, options: StepCheckerOptions) {
    this.#now = now;
    this.#engine = engine;
    this.#steps = new StepChecker(options);
    this.#holds = new HoldChecker(now);
    this.#forks = new ForkChecker(this.#log);
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  get commits(): number {
    return this.#log.commits;
  }

  get states(): number {
    return this.#log.states.size;
  }

  get instances(): ReadonlySet<string> {
    return new Set([...this.#log.states.keys()].map((name) => parseStateName(name)!.instance));
  }

  get failed(): ReadonlySet<string> {
    return this.#failed;
  }

  /** The engine has stored this state file of a user. */
  submitted(name: string, content: string): void {
    this.#steps.submitted(name, content);
    if (!this.#log.hasState(name)) this.#since.set(name, this.#now());
    this.#log.publish({ name, content });
  }

  /** The engine has stored this event of a user, or had stored it before. */
  sent(file: string): void {
    const { key: id } = parseEventName(file)!;
    if (this.#events.known.has(id)) return;
    this.#sent.add(id);
    this.#since.set(id, this.#now());
    this.#events.sent(file);
  }

  /** The engine has made this failed state available again. */
  retried(name: string): void {
    if (!this.#failed.delete(name))
      return this.#failIf('I3', `expected no retry of ${name}, which has not failed, got one`);
    this.#since.set(name, this.#now());
    this.#holds.reset(name);
    this.#steps.retried(name);
  }

  paused(isPaused: boolean): void {
    this.#paused = isPaused ? this.#now() : Number.POSITIVE_INFINITY;
  }

  joined(session: Session, worker: WorkerInfo): void {
    this.#sessions.set(session, worker);
  }

  closing(session: Session): void {
    this.#sessions.delete(session);
  }

  killed(session: Session): void {
    this.#sessions.delete(session);
    this.#holds.killed(session);
  }

  promised(...promise: Parameters<SessionObserver['promised']>): void {
    this.#holds.promised(...promise);
  }

  ticked(name: string): void {
    this.#failIf('I6', this.#steps.ticked(name));
    this.#failIf('I12', this.#forks.ticked(name));
  }

  /** `outputs` were passed to the tick of the join `name`. */
  hasJoined(name: string, outputs: Readonly<Record<string, unknown>>): void {
    this.#failIf('I12', this.#forks.joined(name, outputs));
  }

  taken(session: Session, taken: readonly Task[] | 'drained'): void {
    if (taken === 'drained') return void this.#checkDrained();
    for (const task of taken) {
      this.#failIf('I6', this.#holds.taken(session, task));
      this.#failIf('I1', this.#problemOf(task));
    }
  }

  #problemOf({ name, file, events }: Task): string | undefined {
    if (this.#isSettled(name)) return `expected no settled state to be handed out, got ${name}`;
    if (this.#paused < this.#now()) return `expected nothing while paused, got ${name}`;
    const { state, payload } = contentOf(this.#log.states.get(name) ?? '') ?? {};
    if (file.state !== state || JSON.stringify(file.payload) !== JSON.stringify(payload))
      return `expected ${name} as it was stored, got ${JSON.stringify(file)}`;
    const { instance } = parseStateName(name)!;
    const others = events.filter((event) => parseEventName(event.file)!.to !== instance);
    return others.length > 0
      ? `expected only events of ${instance}, got ${others[0]!.file}`
      : undefined;
  }

  /** I8. */
  async #checkDrained(): Promise<void> {
    const now = this.#now();
    const isOlder = (one: string): boolean => (this.#since.get(one) ?? now) < now;
    const names = [...this.#log.states.keys()].filter(isOlder);
    const isHeld = (name: string): boolean => this.#holds.isHeld(name) && !this.#isSettled(name);
    const open = this.#unsettledOf(names) ?? names.find(isHeld);
    this.#failIf('I8', open && `expected no drained engine, got one: ${open}`);
    for (const id of this.#pendingEvents.filter((one) => isOlder(one) && this.#isAwaited(one))) {
      const isOver = (await this.#engine.eventResult(id)) !== undefined;
      this.#failIf('I8', isOver ? undefined : `expected no drained engine before ${id} is over`);
    }
  }

  settling(settlements: readonly Settlement[]): void {
    for (const { hold } of settlements) this.#holds.settling(hold);
  }

  settled(
    settlements: readonly Settlement[],
    results: readonly Settled[],
    unmoved: ReadonlyMap<string, string | undefined>,
  ): void {
    for (const [index, settlement] of settlements.entries()) {
      const result = results[index]!;
      const before = this.#answers.get(settlement);
      this.#answers.set(settlement, result);
      const { name } = settlement.hold;
      if (before === undefined) {
        this.#failIf('I6', this.#holds.settled(settlement.hold, result));
        if (result === 'settled' || result === 'failed') this.#note(settlement, result, unmoved);
      } else if (before !== result) {
        this.#failIf('I1', `expected ${before} for a repeated settle of ${name}, got ${result}`);
      }
    }
  }

  #note(
    { hold: { name }, outcome, tick }: Settlement,
    result: Settled,
    unmoved: ReadonlyMap<string, string | undefined>,
  ): void {
    if (result === 'failed') return this.#noteFailure(name, outcome);
    if (outcome.kind === 'retry') this.#holds.retried(name);
    if (outcome.kind === 'wait') this.#holds.reset(name);
    if (outcome.kind === 'release' && tick !== undefined) this.#steps.released(name);
    if (outcome.kind !== 'commit') return;
    const { record, readSet } = outcome;
    if (this.#log.isDone(name)) this.#failIf('I1', `expected one commit of ${name}, got two`);
    // A state may be held while another instance's commit takes its name: then either counts.
    this.#failed.delete(name);
    this.#log.commit(name, record);
    if (record !== undefined) this.#noteCommit(record);
    if (readSet?.includes(LAMP_SEEN) !== true || !unmoved.has(LAMP_SEEN)) return;
    const lamp = this.#log.states.get(unmoved.get(LAMP_SEEN) ?? '');
    this.#failIf('I11', wrongSight(record, contentOf(lamp ?? '')));
  }

  #noteFailure(name: string, outcome: Settlement['outcome']): void {
    this.#failed.add(name);
    this.#holds.reset(name);
    if (outcome.kind === 'fail') return this.#failIf('I3', this.#steps.failed(outcome.record));
    if (outcome.kind !== 'refuse') return;
    const { machine, reason } = outcome;
    const knows = [...this.#sessions.values()].find((worker) =>
      worker.machines().machines.includes(machine),
    );
    if (knows === undefined) return;
    this.#failIf('I3', `expected ${name} to be left to ${knows.name}, got a failure: ${reason}`);
  }

  #noteCommit(record: CommitRecord): void {
    this.#failIf('I12', this.#forks.committed(record));
    const { instance } = parseStateName(record.state)!;
    for (const { id, file } of record.events ?? []) {
      const isRejected = this.#rejected.has(id);
      this.#failIf('I10', isRejected ? `expected rejected ${id} not to be applied` : undefined);
      this.#failIf('I10', this.#events.apply(id, record.state));
      this.#failIf('I10', this.#orderOf(instance, file));
    }
    this.#events.emitted(record);
    for (const { name } of record.emit ?? [])
      this.#since.set(parseEventName(name)!.key, this.#now());
    for (const state of publishedStates(record)) {
      const isFree = this.#log.publish(state);
      if (!this.#since.has(state.name)) this.#since.set(state.name, this.#now());
      // I9: the file that is there is kept, and fails.
      if (!isFree && !this.#log.isDone(state.name)) this.#failed.add(state.name);
    }
  }

  /** Events of users are applied in the order in which they are due. */
  #orderOf(instance: string, file: string): string | undefined {
    const { key: id, time } = parseEventName(file)!;
    if (!this.#sent.has(id)) return undefined;
    const last = this.#lastApplied.get(instance) ?? '';
    this.#lastApplied.set(instance, time);
    return time < last
      ? `expected the events of ${instance} in order, got one of ${time} after one of ${last}`
      : undefined;
  }

  /** Known, and without a known result. */
  get #pendingEvents(): string[] {
    const { known, applied } = this.#events;
    return [...known.keys()].filter((id) => !applied.has(id) && !this.#rejected.has(id));
  }

  /** Asks for the events that were rejected meanwhile. */
  async poll(): Promise<void> {
    for (const id of this.#pendingEvents) {
      const result = await this.#engine.eventResult(id);
      if (result === undefined) continue;
      this.#rejected.add(id);
      this.#failIf('I10', this.#untrue(id, result.outcome.outcome));
    }
  }

  /** A rejected event whose instance could have taken it. */
  #untrue(id: string, outcome: string): string | undefined {
    const { to, time } = parseEventName(this.#events.known.get(id)!)!;
    const since = this.#since.get(stateName(to, 0));
    const existed = since !== undefined && since < Date.parse(time) + DEFAULT_GRACE_MS;
    // A user may have put in another step since.
    const hasEnded = this.#log.stepsOf(to).some((name) => this.#log.hasEnded(name));
    return hasEnded || (outcome === 'FsmNotFound' && !existed)
      ? undefined
      : `expected ${id} to be applied to ${to}, got ${outcome}`;
  }

  /** What is not over yet; undefined if all is. */
  unsettled(): string | undefined {
    const names = [...this.#log.states.keys()];
    const isOpen = (name: string): boolean => !this.#isSettled(name);
    return (
      this.#unsettledOf(names) ?? this.#undelivered() ?? this.#forks.left(names.filter(isOpen))
    );
  }

  #unsettledOf(names: readonly string[]): string | undefined {
    const waits = (name: string): boolean => this.#steps.waits(this.#log.states.get(name)!);
    const open = names.find((name) => !this.#isSettled(name) && !waits(name));
    return open && `expected ${open} to be done or failed, got neither`;
  }

  #isSettled(name: string): boolean {
    return this.#log.isDone(name) || this.#failed.has(name);
  }

  #undelivered(): string | undefined {
    const left = this.#pendingEvents.find((id) => this.#isAwaited(id));
    return left && `expected a result of ${left}, got none`;
  }

  /** False for an event to a failed instance: it waits until a user retries that. */
  #isAwaited(id: string): boolean {
    const last = this.#log.stepsOf(parseEventName(this.#events.known.get(id)!)!.to).at(-1);
    return last === undefined || !this.#failed.has(last);
  }

  /** The survivors had their time, and something is left. */
  isStuck(expected: string): void {
    this.#failIf('liveness', this.unsettled() ?? `expected ${expected}, got none of it in time`);
  }

  /** Liveness, and what the engine tells its clients in the end. */
  async finish(): Promise<void> {
    await this.poll();
    this.#failIf('liveness', this.unsettled());
    for (const instance of this.instances) {
      const steps = await this.#engine.history(instance);
      this.#failIf('I2', this.#wrongHistory(instance, steps));
      this.#failIf('I2', this.#wrongEnd(await this.#engine.get(instance), steps));
    }
    for (const [id, state] of this.#events.applied) {
      const result = await this.#engine.eventResult(id);
      if (result?.state !== state)
        this.#failIf('I10', `expected the result of ${id} in ${state}, got ${result?.state}`);
    }
  }

  #wrongEnd(last: InstanceStep | undefined, steps: readonly InstanceStep[]): string | undefined {
    const expected = steps.at(-1)?.name;
    return last?.name === expected ? undefined : `expected ${expected} at last, got ${last?.name}`;
  }

  #wrongHistory(instance: string, steps: readonly InstanceStep[]): string | undefined {
    for (const [index, { name, flag, state, payload, events }] of steps.entries()) {
      const expected = contentOf(this.#log.states.get(stateName(instance, index)) ?? '');
      const isAsStored =
        name === stateName(instance, index) &&
        state === expected?.state &&
        JSON.stringify(payload) === JSON.stringify(expected?.payload);
      if (!isAsStored) return `expected ${name} as it was stored, got ${state}`;
      const isRight =
        (flag === 'done') === this.#log.isDone(name) &&
        (flag === 'failed') === this.#failed.has(name);
      if (!isRight) return `expected ${name} as it was settled, got ${flag}`;
      const ids = (this.#log.recordOf(name)?.events ?? []).map(({ id }) => id);
      if (ids.join() !== events.map(({ id }) => id).join())
        return `expected events ${ids.join()} in ${name}, got others`;
    }
    const isWhole = this.#log.stepsOf(instance).at(-1) === steps.at(-1)?.name;
    return isWhole ? undefined : `expected all steps of ${instance}, got ${steps.length}`;
  }

  #failIf(invariant: string, problem: string | undefined): void {
    if (problem !== undefined) this.#violation ??= new Violation(invariant, problem);
  }
}

function contentOf(text: string): StateFile | undefined {
  const parsed = parseStateFile(encoder.encode(text));
  return parsed.ok ? parsed.file : undefined;
}
