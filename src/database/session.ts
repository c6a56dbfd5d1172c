/** A session of an engine on a database: what it holds, and its call of `take` that waits. */
import type { HoldView } from '../engine/engine.ts';
import { decideRefusal } from '../engine/decisions.ts';
import { entryOf, settledEntry } from '../engine/journal-entry.ts';
import type { Clock, Log, Random } from '../engine/ports.ts';
import type {
  Hold,
  KnownMachines,
  Refusal,
  Session,
  Settled,
  Settlement,
  Task,
  WorkerInfo,
} from '../engine/session.ts';
import { Alarm, Wakeup } from '../engine/waits.ts';
import { UserError } from '../machine/errors.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';
import { stateName } from '../machine/name.ts';
import { failureRecord, formatRecord, parseCommitRecord, pastStep } from '../machine/record.ts';
import { machineNamed } from '../machine/state-file.ts';
import type { Database, StoredSettlement, Taken, TakenState } from './database.ts';
import { storedOutcome, type StoredOutcome } from './settlement.ts';
import { attemptsOf, fileOf } from './steps.ts';
import { unroutableReason } from '../machine/decide.ts';
import { parseEventName } from '../machine/event.ts';

/** Looks for work come at least as often, with or without a hint. */
const MAX_LOOK_MS = 1000;
/** What is due may be another session's, or refused by this one: then looks come less and less often. */
const FIRST_LOOK_MS = 10;
/** Signs of life per lease. */
const BEATS_PER_LEASE = 6;
/** After a take or settlement, others see within this time what is held. */
const REPORT_MS = 250;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 5000;
const MAINTENANCE_MS = 10_000;
/** After its drain, a session that closes tries for so long to settle what it holds. */
const LAST_TRIES_MS = 5000;
/** Holds that are shown to others, at most. */
const MAX_SHOWN_HOLDS = 100;
const encoder = new TextEncoder();

export interface EnginePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

interface Held {
  readonly task: Task;
  readonly instance: string;
  readonly step: number;
  readonly fence: number;
  readonly abort: AbortController;
  readonly since: string;
  /** By instance: the step that it has seen, -1 for none. */
  readonly observed: Map<string, number>;
  /** Monotonic, ms. */
  deadline: number;
  /** Monotonic, ms: when its lease began. */
  leased: number;
  isSettling: boolean;
}

export class DatabaseSession implements Session {
  readonly name: string;
  readonly unreadable = 0;
  readonly concurrentSettles = 2;
  isIdle = false;
  readonly #database: Database;
  readonly #worker: WorkerInfo;
  readonly #ports: EnginePorts;
  readonly #leaseMs: number;
  readonly #holds = new Map<Hold, Held>();
  /** Holds that another session has taken over: the journal is told of their ticks. */
  readonly #lost = new WeakMap<Hold, Held>();
  readonly #settled = new WeakMap<Hold, Settled>();
  readonly #wakeup: Wakeup;
  readonly #expiry: Alarm;
  readonly #ended = new AbortController();
  #hinted = false;
  #isClosed = false;
  #isUnsure = false;
  #bug: InvariantError | undefined;
  /** The database's time less the monotonic clock's, ms. */
  #offset = 0;
  #reported = false;
  #maintained: number;
  #looks = 0;
  #onEmpty: (() => void)[] = [];
  /** Places that are known to need a slot, with these machines. */
  #needing: { readonly machines: KnownMachines; readonly places: Set<string> } | undefined;
  #unwatch: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  /** Monotonic, ms. */
  #lastTry = Number.POSITIVE_INFINITY;

  constructor(
    database: Database,
    name: string,
    worker: WorkerInfo,
    ports: EnginePorts,
    leaseMs: number,
  ) {
    this.#database = database;
    this.name = name;
    this.#worker = worker;
    this.#ports = ports;
    this.#leaseMs = leaseMs;
    this.#wakeup = new Wakeup(ports.clock);
    this.#expiry = new Alarm(ports.clock, () => this.#expire());
    this.#maintained = ports.clock.monotonic() + ports.random() * MAINTENANCE_MS;
  }

  async open(): Promise<void> {
    await this.#beat();
    this.#unwatch = this.#database.watch(() => this.#wake());
    void this.#live();
  }

  now(): string {
    return new Date(this.#offset + this.#ports.clock.monotonic()).toISOString();
  }

  #wake(): void {
    this.#hinted = true;
    this.#wakeup.signal();
  }

  async take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'> {
    const wake = (): void => this.#wakeup.signal();
    signal.addEventListener('abort', wake);
    try {
      for (let [pause, look] = [FIRST_RETRY_MS, FIRST_LOOK_MS]; ;) {
        if (this.#bug !== undefined) throw this.#bug;
        if (signal.aborted || this.#isClosed) return [];
        this.#hinted = false;
        let taken: Taken;
        try {
          if (this.#isUnsure) await this.#database.reclaim(this.name, this.#known());
          this.#isUnsure = false;
          taken = await this.#ask(limit);
        } catch (error) {
          if (error instanceof UserError || error instanceof InvariantError) throw error;
          // It may have handed out what this session does not know of.
          this.#isUnsure = true;
          this.#ports.log.warn({ err: error, retryInMs: pause }, 'cannot take from the database');
          await this.#sleep(pause * (0.5 + this.#ports.random()), signal);
          pause = Math.min(2 * pause, MAX_RETRY_MS);
          continue;
        }
        pause = FIRST_RETRY_MS;
        const tasks = this.#begin(taken, limit);
        if (tasks.length > 0) return tasks;
        if (taken.isDrained && !this.#worker.stays) return 'drained';
        const due = taken.wake === undefined ? MAX_LOOK_MS : taken.wake - taken.now;
        if (due <= 0) await this.#rejectStrays();
        look = due <= 0 ? Math.min(2 * look, MAX_LOOK_MS) : FIRST_LOOK_MS;
        await this.#sleep(Math.min(MAX_LOOK_MS, Math.max(look, due)), signal, () => this.#hinted);
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #sleep(ms: number, signal: AbortSignal, until: () => boolean = () => false): Promise<void> {
    const isOver = (): boolean =>
      signal.aborted || this.#isClosed || this.#bug !== undefined || until();
    return this.#wakeup.sleep(ms, isOver);
  }

  async #ask(limit: number): Promise<Taken> {
    const began = this.#ports.clock.monotonic();
    const taken = await this.#database.take({
      session: this.name,
      limit,
      slotted: [...this.#places()],
      leaseMs: this.#leaseMs,
      observes: this.#worker.observes,
    });
    this.#offset = taken.now - this.#ports.clock.monotonic();
    this.isIdle = taken.tasks.length === 0;
    invariant(
      limit === 0 || taken.tasks.length <= limit,
      'I6: expected no more than were asked for',
    );
    this.#looks += 1;
    for (const task of taken.tasks) this.#hold(task, taken, began);
    return taken;
  }

  #known(): string[] {
    return Array.from(this.#holds.values(), ({ instance }) => instance);
  }

  #places(): Set<string> {
    const machines = this.#worker.machines();
    if (this.#needing?.machines !== machines) this.#needing = { machines, places: new Set() };
    return this.#needing.places;
  }

  #hold(taken: TakenState, { seen }: Taken, leased: number): Held {
    const { instance, step, fence, body, attempts } = taken;
    const name = stateName(instance, step);
    const abort = new AbortController();
    const observed = new Map<string, number>();
    const file = fileOf(name, body);
    const task: Task = {
      name,
      session: this.name,
      file,
      attempts: attemptsOf(attempts),
      events: this.#worker.needsSlot(file) ? [] : taken.events,
      asOf: this.#looks,
      signal: abort.signal,
      observe: (other) => {
        if (!this.#worker.observes.includes(other)) {
          throw new Error(`cannot observe ${other}: name it in the machine's sensors`);
        }
        const last = seen.find((one) => one.instance === other);
        observed.set(other, last?.step ?? -1);
        return last && fileOf(stateName(other, last.step), last.body);
      },
      history: async () => {
        const steps = await this.#database.steps(instance);
        return steps
          .filter((one) => one.step <= step)
          .map((one) => {
            const of = stateName(instance, one.step);
            const record = parseCommitRecord(one.record ?? '', of);
            return pastStep(of, encoder.encode(one.body), record);
          });
      },
    };
    const since = this.now();
    const deadline = Number.POSITIVE_INFINITY;
    const held: Held = {
      task,
      instance,
      step,
      fence,
      abort,
      since,
      observed,
      deadline,
      leased,
      isSettling: false,
    };
    this.#holds.set(task, held);
    this.#expiry.set(leased + this.#leaseMs);
    this.#reported = false;
    return held;
  }

  /** What there is no slot for is given back. */
  #begin({ tasks: { length } }: Taken, limit: number): Task[] {
    if (length === 0) return [];
    const fresh = [...this.#holds.values()].slice(-length);
    const tasks: Task[] = [];
    const excess: Held[] = [];
    let left = limit;
    for (const held of fresh) {
      const { task } = held;
      const needsSlot = this.#worker.needsSlot(task.file);
      if (needsSlot && left <= 0) {
        this.#places().add(`${machineNamed(task.file)}\n${task.file.state}`);
        excess.push(held);
      } else {
        if (needsSlot) left -= 1;
        tasks.push(task);
      }
    }
    if (excess.length > 0) void this.#giveBack(excess);
    return tasks;
  }

  async #giveBack(excess: readonly Held[]): Promise<void> {
    for (const { task } of excess) this.#holds.delete(task);
    try {
      await this.#database.settle(
        this.name,
        excess.map(({ instance, step, fence }) => ({ instance, step, fence, kind: 'release' })),
      );
    } catch (error) {
      // They are handed out when their lease is over.
      this.#ports.log.warn({ err: error, states: excess.length }, 'cannot give states back');
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    if (this.#bug !== undefined) throw this.#bug;
    const results = new Map<Settlement, Settled>();
    const asked: { settlement: Settlement; stored: StoredSettlement }[] = [];
    for (const settlement of settlements) {
      const before = this.#settled.get(settlement.hold);
      const { hold } = settlement;
      const held = this.#holds.get(hold) ?? this.#lost.get(hold);
      if (before !== undefined) results.set(settlement, before);
      else if (held === undefined) results.set(settlement, 'lost');
      else {
        held.isSettling = true;
        asked.push({ settlement, stored: await this.#stored(settlement, held) });
      }
    }
    if (asked.length > 0) {
      const stored = await this.#settleStored(asked.map((one) => one.stored));
      if (this.#bug !== undefined) throw this.#bug;
      for (const [index, { settlement }] of asked.entries()) {
        const settled = stored[index]!;
        results.set(settlement, settled);
        this.#settled.set(settlement.hold, settled);
        this.#holds.delete(settlement.hold);
      }
      this.#reported = false;
      this.#wake();
      this.#noteEmpty();
    }
    return settlements.map((one) => results.get(one)!);
  }

  /** A session that has closed does not try for ever: others take what it holds when its lease is over. */
  async #settleStored(items: readonly StoredSettlement[]): Promise<readonly Settled[]> {
    try {
      return await this.#database.settle(this.name, items);
    } catch (error) {
      if (this.#ports.clock.monotonic() < this.#lastTry) throw error;
      return items.map(() => 'unsure');
    }
  }

  async #stored(settlement: Settlement, held: Held): Promise<StoredSettlement> {
    const { outcome } = settlement;
    const { instance, step, fence, task } = held;
    const by = {
      token: { session: this.name, worker: this.#worker.name },
      stamp: () => this.now(),
    };
    const entry = entryOf(task.name, outcome, settlement, by);
    const [kept] = settledEntry(entry, { lost: false });
    const [lost] = settledEntry(entry, { lost: true });
    const stored =
      outcome.kind === 'refuse' ? await this.#refused(outcome, held) : storedOutcome(outcome, held);
    return { instance, step, fence, entry: kept, lostEntry: lost, ...stored };
  }

  async #refused(refusal: Refusal, { task, instance }: Held): Promise<StoredOutcome> {
    const living = (await this.#database.sessions()).filter(({ isAlive }) => isAlive);
    const refused = new Set([...(await this.#database.refusals(instance)), this.name]);
    const asked = living.filter(({ session }) => !refused.has(session));
    const known = (sessions: typeof living): KnownMachines[] => sessions.map((one) => one.known);
    const decided = decideRefusal(refusal, known(asked), known(living));
    if (decided.kind === 'leave') return { kind: 'leave' };
    const { code, reason } = decided;
    const by = { session: this.name, worker: this.#worker.name, at: this.now() };
    const record = failureRecord(task.name, by, { code, reason }, task.attempts);
    return { kind: 'fail', note: formatRecord(record) };
  }

  setDeadline(hold: Hold, at: number): void {
    const held = this.#holds.get(hold);
    if (held !== undefined) held.deadline = at;
  }

  /** Signs of life, reports and maintenance, until the session has ended. */
  async #live(): Promise<void> {
    const { clock, log } = this.#ports;
    let beaten = clock.monotonic();
    while (!this.#ended.signal.aborted) {
      await clock.sleep(Math.min(REPORT_MS, this.#leaseMs / BEATS_PER_LEASE), this.#ended.signal);
      if (this.#ended.signal.aborted) return;
      const now = clock.monotonic();
      try {
        if (!this.#reported || now - beaten >= this.#leaseMs / BEATS_PER_LEASE) {
          beaten = now;
          await this.#beat();
        }
        if (now - this.#maintained >= MAINTENANCE_MS) {
          this.#maintained = now;
          await this.#database.maintain();
        }
      } catch (error) {
        log.warn({ err: error }, 'cannot give a sign of life');
      }
    }
  }

  async #beat(): Promise<void> {
    const { clock } = this.#ports;
    const now = clock.monotonic();
    // A tick that has not ended by its deadline holds nothing for good.
    const kept = [...this.#holds.values()].filter(
      ({ isSettling, deadline, leased }) =>
        !isSettling && now <= deadline && now - leased >= this.#leaseMs / BEATS_PER_LEASE,
    );
    this.#reported = true;
    const { concurrency, name: worker } = this.#worker;
    const info = {
      session: this.name,
      worker,
      concurrency,
      known: this.#worker.machines(),
      holds: JSON.stringify(this.#views()),
    };
    const rows = kept.map(({ instance, step, fence }) => ({ instance, step, fence }));
    const { now: at, lost } = await this.#database.beat(info, this.#leaseMs, rows);
    this.#offset = at - clock.monotonic();
    for (const held of kept) {
      if (!lost.includes(held.instance)) held.leased = now;
      else if (this.#holds.get(held.task) === held && !held.isSettling) this.#lose(held);
    }
  }

  /** Another session may take what was not renewed for a lease, since the database was out of reach or a deadline has passed. */
  #expire(): void {
    const now = this.#ports.clock.monotonic();
    for (const held of this.#holds.values()) {
      if (held.leased + this.#leaseMs > now) this.#expiry.set(held.leased + this.#leaseMs);
      else if (!held.isSettling) this.#lose(held);
    }
  }

  #lose(held: Held): void {
    const { task, abort } = held;
    this.#ports.log.warn({ state: task.name }, 'its lease is over: another worker may take it');
    this.#holds.delete(task);
    this.#lost.set(task, held);
    abort.abort();
    this.#noteEmpty();
  }

  #views(): HoldView[] {
    return [...this.#holds.values()].slice(0, MAX_SHOWN_HOLDS).map(({ task, since }) => ({
      name: task.name,
      machine: machineNamed(task.file),
      since,
      attempt: task.attempts.length + 1,
    }));
  }

  /** I12: an event that no open instance waits for is rejected when its instance has ended, or its grace is over. */
  async #rejectStrays(): Promise<void> {
    try {
      const strays = await this.#database.strays();
      const outcomes = strays.flatMap(({ id, to, name, last }) => {
        const known = last === undefined ? undefined : { name: last, hasEnded: true };
        const reason = unroutableReason(to, known, true);
        if (reason === undefined || parseEventName(name) === undefined) return [];
        const by = { session: this.name, worker: this.#worker.name, at: this.now() };
        const record = { flockwork: 1, id, file: name, ...reason, ...by } as const;
        return [{ id, outcome: formatRecord(record) }];
      });
      if (outcomes.length > 0) await this.#database.reject(outcomes);
    } catch (error) {
      if (error instanceof UserError) throw error;
      this.#ports.log.warn({ err: error }, 'cannot reject events that no instance waits for');
    }
  }

  #noteEmpty(): void {
    if (this.#holds.size > 0) return;
    for (const resolve of this.#onEmpty) resolve();
    this.#onEmpty = [];
  }

  close(drainMs: number): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    this.#isClosed = true;
    this.#lastTry = this.#ports.clock.monotonic() + drainMs + LAST_TRIES_MS;
    this.#wakeup.signal();
    const abortAll = (): void => {
      for (const { abort } of this.#holds.values()) abort.abort();
    };
    if (this.#holds.size > 0 && this.#bug === undefined) {
      const drained = new AbortController();
      if (drainMs <= 0) abortAll();
      else if (drainMs < Number.POSITIVE_INFINITY) {
        void this.#ports.clock.sleep(drainMs, drained.signal).then(abortAll);
      }
      await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
      drained.abort();
    }
    if (this.#bug !== undefined) throw this.#bug;
    this.#end();
    try {
      await this.#database.leave(this.name);
    } catch (error) {
      // Others see that it is gone when its lease is over.
      this.#ports.log.warn({ err: error }, 'cannot sign off from the database');
    }
  }

  #end(): void {
    this.#expiry.clear();
    this.#unwatch?.();
    this.#ended.abort('ended');
  }

  abort(reason: InvariantError): void {
    if (this.#bug !== undefined) return;
    this.#bug = reason;
    this.#isClosed = true;
    this.#end();
    for (const { abort } of this.#holds.values()) abort.abort();
    this.#holds.clear();
    this.#wakeup.signal();
    this.#noteEmpty();
  }
}
