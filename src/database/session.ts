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
import { InvariantError } from '../machine/invariant.ts';
import { stateName } from '../machine/name.ts';
import { failureRecord, formatRecord, type FailureReason } from '../machine/record.ts';
import { machineNamed, parseStateFile, type StateFile } from '../machine/state-file.ts';
import type { Database, StoredSettlement, Taken, TakenState } from './database.ts';
import { newHeld, type Held } from './held.ts';
import { storedOutcome, type StoredOutcome } from './settlement.ts';
import { attemptsOf, storable } from './steps.ts';
import { unroutableReason } from '../machine/decide.ts';
import { parseEventName } from '../machine/event.ts';

/** Looks for work come at least as often, with or without a hint. */
const MAX_LOOK_MS = 1000;
/** What is due may be another session's, or refused by this one: then looks come less and less often. */
const FIRST_LOOK_MS = 10;
/** Many sessions may hint at once. */
const MIN_LOOK_MS = 5;
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

/** As `take` of a database compares it. */
const placeOf = (file: StateFile): string =>
  `${storable(machineNamed(file))}\n${storable(file.state)}`;

export interface EnginePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class DatabaseSession implements Session {
  readonly name: string;
  unreadable = 0;
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
  /** What the last call has taken. */
  #fresh: Held[] = [];
  #onEmpty: (() => void)[] = [];
  /** Places that are known to need a slot, with these machines. */
  #needing: { readonly machines: KnownMachines; readonly places: Set<string> } | undefined;
  #unwatch: (() => void) | undefined;
  #living: Promise<void> = Promise.resolve();
  #asking: Promise<unknown> = Promise.resolve();
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
    this.#unwatch = this.#database.watch((_hint, isWork) => void (isWork && this.#wake()));
    this.#living = this.#live();
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
          const asking = this.#ask(limit);
          this.#asking = asking.catch(() => undefined);
          taken = await asking;
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
        if (this.#bug !== undefined) throw this.#bug;
        const tasks = this.#begin(limit);
        if (tasks.length > 0) return tasks;
        if (taken.isDrained && !this.#worker.stays) return 'drained';
        const due = taken.wake === undefined ? MAX_LOOK_MS : taken.wake - taken.now;
        if (due <= 0) await this.#rejectStrays();
        look = due <= 0 ? Math.min(2 * look, MAX_LOOK_MS) : FIRST_LOOK_MS;
        const ms = Math.min(MAX_LOOK_MS, Math.max(look, due));
        await this.#sleep(Math.min(ms, MIN_LOOK_MS), signal);
        await this.#sleep(ms, signal, () => this.#hinted);
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
    if (this.#isUnsure) {
      this.#isUnsure = false;
      try {
        await this.#database.reclaim(this.name, this.#known(), this.#leaseMs);
      } catch (error) {
        this.#isUnsure = true;
        throw error;
      }
    }
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
    this.#looks += 1;
    this.#fresh = [];
    if (this.#bug !== undefined) return taken;
    for (const task of taken.tasks) {
      const parsed = parseStateFile(encoder.encode(task.body));
      if (parsed.ok) this.#fresh.push(this.#hold(task, parsed.file, taken, began));
      else await this.#failUnreadable(task, parsed);
    }
    return taken;
  }

  /** It was stored by a program that knows more than this one, or by hand. */
  async #failUnreadable(
    { instance, step, fence, attempts }: TakenState,
    { code, reason }: FailureReason,
  ): Promise<void> {
    const by = { session: this.name, worker: this.#worker.name, at: this.now() };
    const record = failureRecord(
      stateName(instance, step),
      by,
      { code, reason },
      attemptsOf(attempts),
    );
    this.unreadable += 1;
    const note = formatRecord(record);
    await this.#database.settle(this.name, [{ instance, step, fence, kind: 'fail', note }]);
  }

  #known(): string[] {
    return Array.from(this.#holds.values(), ({ instance }) => instance);
  }

  #places(): Set<string> {
    const machines = this.#worker.machines();
    if (this.#needing?.machines !== machines) this.#needing = { machines, places: new Set() };
    return this.#needing.places;
  }

  #hold(taken: TakenState, file: StateFile, { seen }: Taken, leased: number): Held {
    const held = newHeld(taken, file, {
      session: this.name,
      seen,
      asOf: this.#looks,
      since: this.now(),
      leased,
      worker: this.#worker,
      database: this.#database,
    });
    this.#holds.set(held.task, held);
    this.#expiry.set(leased + this.#leaseMs);
    this.#reported = false;
    return held;
  }

  /** What there is no slot for is given back. */
  #begin(limit: number): Task[] {
    const fresh = this.#fresh;
    if (this.#isClosed && fresh.length > 0) {
      void this.#giveBack(fresh);
      return [];
    }
    const tasks: Task[] = [];
    const excess: Held[] = [];
    let left = limit;
    for (const held of fresh) {
      const { task } = held;
      const needsSlot = this.#worker.needsSlot(task.file);
      if (needsSlot && left <= 0) {
        this.#places().add(placeOf(task.file));
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
      this.#isUnsure = true;
      this.#ports.log.warn({ err: error, states: excess.length }, 'cannot give states back');
    }
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    if (this.#bug !== undefined) throw this.#bug;
    const asked = new Map<Hold, { readonly settlement: Settlement; readonly held: Held }>();
    for (const settlement of settlements) {
      const { hold } = settlement;
      const held = this.#holds.get(hold) ?? this.#lost.get(hold);
      // Of several outcomes of a hold the first counts.
      if (this.#settled.has(hold) || asked.has(hold) || held === undefined) continue;
      held.isSettling = true;
      asked.set(hold, { settlement, held });
    }
    if (asked.size > 0) {
      const settled = await this.#settleAll([...asked.values()]);
      if (this.#bug !== undefined) throw this.#bug;
      for (const [index, hold] of [...asked.keys()].entries()) {
        this.#settled.set(hold, settled[index]!);
        this.#holds.delete(hold);
      }
      this.#reported = false;
      this.#wake();
      this.#noteEmpty();
    }
    return settlements.map(({ hold }) => this.#settled.get(hold) ?? 'lost');
  }

  /** A session that has closed does not try for ever: others take what it holds when its lease is over. */
  async #settleAll(
    asked: readonly { readonly settlement: Settlement; readonly held: Held }[],
  ): Promise<readonly Settled[]> {
    try {
      const items: StoredSettlement[] = [];
      for (const { settlement, held } of asked) items.push(await this.#stored(settlement, held));
      return await this.#database.settle(this.name, items);
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      if (this.#ports.clock.monotonic() < this.#lastTry) throw error;
      return asked.map(() => 'unsure');
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
          this.#maintained = Number.POSITIVE_INFINITY;
          // Not awaited: signs of life must not wait for it.
          void this.#maintain();
        }
      } catch (error) {
        log.warn({ err: error }, 'cannot give a sign of life');
      }
    }
  }

  async #maintain(): Promise<void> {
    try {
      await this.#database.maintain();
    } catch (error) {
      this.#ports.log.warn({ err: error }, 'cannot tidy up the database; trying again');
    }
    this.#maintained = this.#ports.clock.monotonic();
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
    await this.#asking;
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
    // A sign of life that comes later would make it a session again.
    await this.#living;
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
