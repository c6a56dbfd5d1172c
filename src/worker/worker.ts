/**
 * One worker on one engine: take → plan → tick → settle.
 *
 *   running         take as many tasks as there are free slots; plan each; tick it, or settle its outcome at once
 *   a tick ends     settle its outcome; its slot is free for another task
 *   stopping        take nothing more; ticks have `drainMs` to end, then their signals abort
 *   crashed         an assertion has failed: the session is aborted, and `run` rejects; nothing more is settled
 */
import type { Engine } from '../engine/engine.ts';
import type { Session, Settled, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';
import { sensorsOf } from '../machine/registry.ts';
import {
  needsTick,
  plan,
  outcomeOfTick,
  type DecisionContext,
  type Plan,
  type PlannedTick,
} from './plan.ts';
import { Library } from './library.ts';
import {
  SettledLog,
  Settler,
  type SettledStep,
  type DecidedTask,
  type SettlerListener,
} from './settler.ts';
import type { Summary, TickResult, WorkerOptions, WorkerPorts } from './ports.ts';
import type { SlotUser } from './concurrency-limit.ts';

type WorkerEngine = Pick<Engine, 'id' | 'configurations' | 'join'>;

interface RunningTick {
  readonly task: Task;
  readonly planned: PlannedTick;
  /** On the monotonic clock, ms. */
  readonly began: number;
  /** ISO 8601, the engine's time. */
  readonly started: string;
}

export class Worker implements SlotUser, SettlerListener {
  readonly #engine: WorkerEngine;
  readonly #ports: WorkerPorts;
  readonly #options: WorkerOptions;
  readonly #library: Library;
  readonly #settledLog: SettledLog;
  #session!: Session;
  #hasJoined = false;
  #onJoined!: () => void;
  /** Resolves when it has joined its engine; stays pending if that fails: see `run`. */
  readonly joined: Promise<void> = new Promise((resolve) => (this.#onJoined = resolve));
  #settler!: Settler;
  /** Tasks that are taken and not yet decided. */
  readonly #active = new Set<Task>();
  /** Tasks that the engine has not answered for. */
  #underWay = 0;
  #onAllSettled: (() => void) | undefined;
  #taking: { readonly limit: number; readonly abort: AbortController } | undefined;
  #isRetaking = false;
  #ending: Summary['end'] | undefined;
  #closed: Promise<void> | undefined;
  #bug: InvariantError | undefined;
  /** Number of running ticks. */
  #ticks = 0;
  #done = 0;
  #failed = 0;

  constructor(engine: WorkerEngine, ports: WorkerPorts, options: WorkerOptions) {
    this.#engine = engine;
    this.#ports = ports;
    this.#options = options;
    this.#library = new Library(ports.machines, engine.configurations, options.trustsStored);
    this.#settledLog = new SettledLog(ports.log);
  }

  /** Number of ticks and decisions under way. */
  get running(): number {
    return this.#active.size;
  }

  get isActive(): boolean {
    return this.#active.size > 0 || !this.#hasJoined || !this.#session.isIdle;
  }

  /** Repeats a pending take if there is more room than it asked for. */
  onRoom(): void {
    if (this.#isRetaking || this.#taking === undefined || this.#room <= this.#taking.limit) return;
    this.#isRetaking = true;
    // Ticks that end in the same turn make room together.
    queueMicrotask(() => {
      this.#isRetaking = false;
      if (this.#taking !== undefined && this.#room > this.#taking.limit) this.#endTake();
    });
  }

  get #room(): number {
    return Math.max(0, this.#ports.slots.limit(this) - this.#active.size);
  }

  /**
   * Works until nothing is left, or until `stop` aborts and its ticks are settled. Throws errors of `join` and `take`, and the
   * `InvariantError` of an assertion that has failed.
   */
  async run(stop: AbortSignal): Promise<Summary> {
    this.#ports.slots.join(this);
    try {
      return await this.#work(stop);
    } finally {
      this.#ports.slots.leave(this);
    }
  }

  async #work(stop: AbortSignal): Promise<Summary> {
    this.#session = await this.#engine.join(this.#info());
    this.#hasJoined = true;
    this.#onJoined();
    this.#settler = new Settler(this.#session, this.#ports.clock, this);
    const onStop = (): void => this.stop();
    stop.addEventListener('abort', onStop, { once: true });
    if (stop.aborted) onStop();
    try {
      await this.#take();
    } catch (error) {
      if (error instanceof InvariantError) this.#crash(error);
      throw error;
    } finally {
      stop.removeEventListener('abort', onStop);
      await (this.#closed ?? this.#session.close(0));
      if (this.#underWay > 0 && this.#bug === undefined)
        await new Promise<void>((resolve) => (this.#onAllSettled = resolve));
    }
    if (this.#bug !== undefined) throw this.#bug;
    invariant(this.running === 0 && this.#ticks === 0, 'I3: expected to settle all that was taken');
    return { ...this.counts, end: this.#ending ?? 'stopped' };
  }

  #crash(bug: InvariantError): void {
    if (this.#bug !== undefined) return;
    this.#bug = bug;
    this.#session.abort(bug);
  }

  /** Counts so far. */
  get counts(): Pick<Summary, 'done' | 'failed'> {
    const unreadable = this.#hasJoined ? this.#session.unreadable : 0;
    return { done: this.#done, failed: this.#failed + unreadable };
  }

  #info(): WorkerInfo {
    const { name, concurrency, capacity, stays } = this.#options;
    const { clock, slots, machines } = this.#ports;
    const library = this.#library;
    const now = (): string => this.#session.now();
    return {
      name,
      concurrency,
      capacity,
      stays,
      observes: sensorsOf(machines()),
      machines: () => library.known,
      slots: () => {
        // Engines ask again and again. Its part may have risen since it last took: another worker's session has become idle.
        this.onRoom();
        return slots.limit(this);
      },
      needsSlot: (file) =>
        needsTick(file, {
          registry: library.registry,
          newest: library.newest,
          get now() {
            return now();
          },
        }),
      runs: (file) => library.runs(file, clock.monotonic()),
    };
  }

  async #take(): Promise<void> {
    while (this.#ending === undefined) {
      const limit = this.#room;
      const abort = new AbortController();
      this.#taking = { limit, abort };
      const taken = await this.#session.take(limit, abort.signal);
      this.#taking = undefined;
      if (taken !== 'drained') {
        // After a bug nothing is begun.
        for (const task of taken) if (this.#bug === undefined) this.#begin(task);
        // Ticks that end at once have ended after this: one call of take does for two.
        await Promise.resolve();
      } else if (this.#ports.moreToCome?.() !== true) this.#end('empty', Number.POSITIVE_INFINITY);
    }
  }

  /** Takes nothing more. `drainMs`: what its ticks have to end; then they are aborted. Before it has joined, by `run`'s signal. */
  stop(drainMs: number = this.#options.drainMs): void {
    if (this.#ending !== undefined || !this.#hasJoined) return;
    this.#ports.log.info({ running: this.#active.size, drainMs }, 'stopping');
    this.#end('stopped', drainMs);
  }

  #end(end: Summary['end'], drainMs: number): void {
    this.#ending = end;
    this.#closed = this.#session.close(drainMs);
    // Awaited when take has ended, which may be later: its error must not count as unhandled until then.
    this.#closed.catch(() => undefined);
    this.#endTake();
  }

  /** With a reason: without one each abort makes an exception, with its stack. */
  #endTake(): void {
    this.#taking?.abort.abort('take ended');
  }

  #begin(task: Task): void {
    invariant(!this.#active.has(task), 'I6: expected a task once', task.name, task.session);
    this.#active.add(task);
    this.#underWay += 1;
    try {
      const first = this.#library.hasLooked(task) ? plan(task, this.#context(task)) : undefined;
      if (first === undefined || first.kind === 'unknown') void this.#look(task, first);
      else this.#carryOut(task, first);
    } catch (error) {
      this.#giveBack(task, error);
    }
  }

  /** Plans with the machines that the engine stores. */
  async #look(task: Task, before: Plan | undefined): Promise<void> {
    try {
      if (before === undefined) await this.#library.look(task);
      const first = before ?? plan(task, this.#context(task));
      const planned = first.kind === 'unknown' ? await this.#lookFor(task, first) : first;
      if (task.signal.aborted) this.#settle({ hold: task, outcome: { kind: 'release' } }, task);
      else this.#carryOut(task, planned);
    } catch (error) {
      this.#giveBack(task, error);
    }
  }

  #giveBack(task: Task, error: unknown): void {
    if (error instanceof InvariantError) return this.#crash(error);
    this.#ports.log.warn({ err: error, state: task.name }, 'cannot decide; state given back');
    this.#settle({ hold: task, outcome: { kind: 'release' } }, task);
  }

  /** Looks for an unknown machine among the stored ones: it may have been stored a moment ago. */
  async #lookFor(task: Task, first: Extract<Plan, { kind: 'unknown' }>): Promise<Plan> {
    if (first.refusal.state !== undefined) return first;
    const stored = await this.#library.learn(first.refusal.machine);
    if (stored === undefined) return plan(task, this.#context(task));
    return { kind: 'unknown', refusal: { ...first.refusal, stored } };
  }

  #carryOut(task: Task, planned: Plan): void {
    if (planned.kind === 'tick') {
      if (this.#ticks < this.#ports.slots.limit(this)) this.#tick(task, planned);
      // Its machine was learned only after it was handed out as needing no slot.
      else this.#settle({ hold: task, outcome: { kind: 'release' } }, task);
    } else if (planned.kind === 'unknown') {
      this.#settle({ hold: task, outcome: { kind: 'refuse', ...planned.refusal } }, task);
    } else {
      const { outcome, machine } = planned;
      this.#settle({ hold: task, outcome, ...(machine !== undefined && { machine }) }, task);
    }
  }

  #context({ session }: Task): DecisionContext {
    return {
      session,
      worker: this.#options.name,
      now: this.#session.now(),
      engineId: this.#engine.id,
      directory: this.#ports.directory,
      registry: this.#library.registry,
      newest: this.#library.newest,
    };
  }

  #tick(task: Task, planned: PlannedTick): void {
    const { clock, execute, log, slots } = this.#ports;
    const { tick } = planned;
    const { machine, attempt, activity } = tick;
    const { name, session } = task;
    const began = clock.monotonic();
    const started = this.#session.now();
    this.#session.setDeadline(task, began + activity.timeout);
    log.debug({ state: tick.name, machine, attempt }, 'tick');
    invariant(this.#active.has(task), 'I6: expected a tick of a held state', name, session);
    invariant(this.#ticks < slots.total, 'I6: expected ticks <= concurrency', name, session);
    this.#ticks += 1;
    const result = execute(tick, task);
    const running = { task, planned, began, started };
    if (result instanceof Promise) void this.#await(running, result);
    else this.#tickEnded(running, result);
  }

  async #await(running: RunningTick, result: Promise<TickResult>): Promise<void> {
    try {
      this.#tickEnded(running, await result);
    } catch (error) {
      this.#giveBack(running.task, error);
    }
  }

  #tickEnded({ task, planned, began, started }: RunningTick, result: TickResult): void {
    const { clock, random } = this.#ports;
    const { machine, attempt, activity } = planned.tick;
    this.#ticks -= 1;
    invariant(this.#ticks >= 0, 'I6: expected an end of each tick once', task.name, task.session);
    const outcome = outcomeOfTick(planned, result, started, this.#context(task), random);
    const duration = Math.round(clock.monotonic() - began);
    const settlement = { hold: task, outcome, machine, tick: { started, duration, attempt } };
    this.#settle(settlement, task, activity.retry.maximumAttempts);
  }

  #settle(settlement: Settlement, task: Task, maximumAttempts?: number): void {
    const isFirst = this.#active.delete(task);
    invariant(isFirst, 'I1: expected one outcome of a task', task.name, task.session);
    this.#settler.settle({ settlement, maximumAttempts });
    this.#ports.slots.offer();
  }

  onSettled({ settlement, maximumAttempts }: DecidedTask, settled: Settled): void {
    const { hold, outcome, tick } = settlement;
    if (settled === 'settled' && outcome.kind === 'commit') this.#done += 1;
    if (settled === 'failed') this.#failed += 1;
    const step = {
      state: hold.name,
      outcome,
      settled,
      ...(tick && { durationMs: tick.duration }),
      ...(maximumAttempts !== undefined && { maximumAttempts }),
    };
    this.#settledLog.add(step);
    this.#tell(step);
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#onAllSettled?.();
    // A session may be idle only now; its part of the slots is then for other workers.
    this.#ports.slots.offer();
  }

  /** A listener that throws must not make the settlement repeat. */
  #tell(step: SettledStep): void {
    try {
      this.#ports.onSettled?.(step);
    } catch (error) {
      this.#ports.log.warn({ err: error, state: step.state }, 'cannot report a settled step');
    }
  }

  onError(error: unknown): void {
    if (error instanceof InvariantError) this.#crash(error);
    else this.#ports.log.warn({ err: error }, 'settle failed, will be repeated');
  }
}
