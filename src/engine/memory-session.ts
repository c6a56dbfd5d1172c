/** A session of a memory engine: its holds, and its pending call of `take`. */
import { MAX_BATCH_EVENTS } from '../machine/event-batch.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';
import { pastStep } from '../machine/record.ts';
import { machineNamed } from '../machine/state-file.ts';
import { Alarm, PendingTake } from './waits.ts';
import type { WorkerView } from './engine.ts';
import { workerOf } from './decisions.ts';
import { entryOf, settledEntry } from './journal-entry.ts';
import type { MemoryStore } from './memory.ts';
import type { StateRow } from './memory-rows.ts';
import type {
  Hold,
  KnownMachines,
  Outcome,
  Session,
  Settled,
  Settlement,
  Task,
  WorkerInfo,
} from './session.ts';

/** A hold, as the store knows it. */
export interface HeldRow {
  readonly row: StateRow;
  readonly task: Task;
  readonly abort: AbortController;
  /** ISO 8601. */
  readonly since: string;
  /** Monotonic, ms. */
  deadline: number;
  /** By instance: its last state file when it was observed. */
  readonly observed: Map<string, string | undefined>;
}

export class MemorySession implements Session {
  readonly name: string;
  readonly worker: WorkerInfo;
  readonly unreadable = 0;
  readonly concurrentSettles = 1;
  readonly #store: MemoryStore;
  readonly #holds = new Map<Hold, HeldRow>();
  readonly #settled = new WeakMap<Hold, Settled>();
  readonly #pending: PendingTake;
  readonly #alarm: Alarm;
  /** Calls of `close` that wait until nothing is held. */
  #onEmpty: (() => void)[] = [];
  /** Rows that are known to need a slot, with these machines. */
  #needing: { readonly machines: KnownMachines; readonly rows: WeakSet<StateRow> } | undefined;
  /** It takes nothing more. */
  isClosed = false;
  #bug: InvariantError | undefined;
  isIdle = false;

  constructor(store: MemoryStore, name: string, worker: WorkerInfo) {
    this.#store = store;
    this.name = name;
    this.worker = worker;
    this.#alarm = new Alarm(store.clock, () => store.unattended(() => this.serve()));
    this.#pending = new PendingTake(() => this.#alarm.clear());
  }

  now(): string {
    return this.#store.now();
  }

  /** One process: it gives signs of life as long as there is anything to ask. */
  view(): WorkerView {
    const holds = Array.from(this.#holds.values(), ({ row, since }) => ({
      name: row.name,
      machine: machineNamed(row.file),
      since,
      attempt: row.attempts.length + 1,
    }));
    const { name: worker, concurrency } = this.worker;
    const { machines } = this.worker.machines();
    return {
      worker,
      session: this.name,
      isAlive: true,
      silentMs: 0,
      concurrency,
      machines,
      holds,
    };
  }

  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'> {
    if (this.#bug !== undefined) return Promise.reject(this.#bug);
    if (signal.aborted || this.isClosed) return Promise.resolve([]);
    const taken = this.#pending.wait(limit, signal);
    try {
      this.serve();
    } catch (error) {
      this.#pending.fail(error as Error);
    }
    return taken;
  }

  /** Answers the pending call of `take`, if possible; otherwise tries again when a state or event is due. */
  serve(): void {
    this.#store.guarded(() => this.#serve());
  }

  #serve(): void {
    const store = this.#store;
    store.rejectUnroutable({ session: this.name, worker: this.worker.name });
    const { limit } = this.#pending;
    if (limit === undefined) return;
    const now = store.clock.now();
    const ready = store.rows.ready(now);
    const tasks = store.isPaused ? [] : this.#pick(ready.rows, limit, now);
    this.isIdle = ready.rows.length === 0;
    if (tasks.length > 0) return this.#pending.answer(tasks);
    const isLeft = ready.rows.length + ready.pending + store.held > 0;
    if (!isLeft && !store.isPaused && !this.worker.stays) return this.#pending.answer('drained');
    this.#alarm.clear();
    if (store.closing.signal.aborted) return;
    this.#alarm.set(store.clock.monotonic() + ready.wake - now);
  }

  stopAlarm(): void {
    this.#alarm.clear();
  }

  #pick(rows: readonly StateRow[], limit: number, now: number): Task[] {
    const tasks: Task[] = [];
    const asOf = this.#store.look();
    let left = limit;
    for (const row of rows) {
      if (row.refusedBy.has(this.name)) continue;
      const needsSlot = this.#needsSlot(row, left);
      if (needsSlot && left <= 0) continue;
      if (needsSlot) left -= 1;
      tasks.push(this.#hold(row, asOf, needsSlot ? [] : this.#eventsOf(row, now)));
    }
    return tasks;
  }

  /**
   * Asks the worker, which may decide otherwise after it has learned a stored machine. While no slot is left, it is not asked
   * again for a row that needed one: that would be each time that something changes.
   */
  #needsSlot(row: StateRow, left: number): boolean {
    const machines = this.worker.machines();
    if (this.#needing?.machines !== machines) this.#needing = { machines, rows: new WeakSet() };
    const { rows } = this.#needing;
    if (left <= 0 && rows.has(row)) return true;
    const needsSlot = this.worker.needsSlot(row.file);
    if (needsSlot) rows.add(row);
    else rows.delete(row);
    return needsSlot;
  }

  #eventsOf({ instance }: StateRow, now: number): Task['events'] {
    const due = this.#store.rows.due(instance, now).slice(0, MAX_BATCH_EVENTS);
    return due.map(({ name: file, id, content }) => ({ file, id, content }));
  }

  #hold(row: StateRow, asOf: number, events: Task['events']): Task {
    const { rows } = this.#store;
    invariant(row.holder === undefined, 'I6: expected one hold of a state', row.name, this.name);
    invariant(rows.isOpen(row), 'I1: expected to hold an open state', row.name, this.name);
    const abort = new AbortController();
    const observed = new Map<string, string | undefined>();
    const task: Task = {
      name: row.name,
      session: this.name,
      file: row.file,
      attempts: row.attempts,
      events,
      asOf,
      signal: abort.signal,
      observe: (instance) => {
        if (!this.worker.observes.includes(instance)) {
          throw new Error(`cannot observe ${instance}: name it in the machine's sensors`);
        }
        const last = rows.last(instance);
        observed.set(instance, last?.name);
        return last?.file;
      },
      history: async () => {
        const chain = rows.chain(row.instance);
        const upTo = chain.slice(0, chain.indexOf(row) + 1);
        return upTo.map(({ name, bytes, done }) => pastStep(name, bytes, done?.record));
      },
    };
    row.holder = task;
    this.#store.changed(row.instance);
    const deadline = Number.POSITIVE_INFINITY;
    this.#store.held += 1;
    this.#holds.set(task, { row, task, abort, since: this.now(), deadline, observed });
    return task;
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    if (this.#bug !== undefined) throw this.#bug;
    const settled = this.#store.guarded(() => settlements.map((one) => this.#settleOne(one)));
    this.#store.serve();
    if (this.#bug !== undefined) throw this.#bug;
    this.#noteEmpty();
    return settled;
  }

  #settleOne(settlement: Settlement): Settled {
    const { hold, outcome, tick } = settlement;
    const before = this.#settled.get(hold);
    if (before !== undefined) return before;
    const held = this.#holds.get(hold);
    // The fence: a hold that has expired settles nothing.
    if (held !== undefined) {
      const isOwn = hold.session === this.name && held.row.name === hold.name;
      invariant(isOwn, "I6: expected this session's hold", hold.name, this.name);
    }
    const settled = held === undefined ? 'lost' : this.#carryOut(held, outcome);
    if (held !== undefined && tick !== undefined) held.row.tick = tick;
    this.#settled.set(hold, settled);
    this.#note(settlement, settled);
    if (held !== undefined) this.#store.changed(held.row.instance);
    return settled;
  }

  #note(settlement: Settlement, settled: Settled): void {
    const { hold, outcome } = settlement;
    const by = { token: { session: this.name, worker: workerOf(hold) }, stamp: () => this.now() };
    const entry = entryOf(hold.name, outcome, settlement, by);
    const lost = settled === 'lost' || settled === 'outdated';
    this.#store.ticks.add(settledEntry(entry, { lost }));
  }

  #carryOut(held: HeldRow, outcome: Outcome): Settled {
    const { row } = held;
    this.#release(held);
    if (outcome.kind === 'commit') return this.#store.commit(held, outcome);
    if (outcome.kind === 'refuse') return this.#store.refuse(held, outcome);
    if (outcome.kind === 'fail') {
      row.failure = outcome.record;
      this.#store.rows.close(row);
      return 'failed';
    }
    if (outcome.kind === 'retry') {
      row.attempts = [...row.attempts, { ...outcome.attempt, attempt: row.attempts.length + 1 }];
      row.notBefore = outcome.attempt.notBefore;
    } else if (outcome.kind === 'defer') row.notBefore = outcome.notBefore;
    else if (outcome.kind === 'wait') {
      row.isWaiting = true;
      // Workers that were lost while the state waited have not attempted anything.
      row.attempts = [];
    }
    return 'settled';
  }

  #release(held: HeldRow): void {
    const { row, task } = held;
    invariant(row.holder === task, 'I6: expected the hold that is released', row.name, this.name);
    this.#holds.delete(task);
    row.holder = undefined;
    this.#store.held -= 1;
    if (this.#store.held === 0) this.#store.expiry.clear();
  }

  setDeadline(hold: Hold, at: number): void {
    const held = this.#holds.get(hold);
    if (held === undefined) return;
    held.deadline = at;
    this.#store.expiry.set(at + this.#store.leaseMs);
  }

  /**
   * Releases holds whose deadline passed a lease ago, and counts lost attempts. Returns when the next one expires (monotonic,
   * ms; infinite if none does).
   */
  expire(): number {
    const { clock, leaseMs } = this.#store;
    const now = clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    for (const held of this.#holds.values()) {
      const expiry = held.deadline + leaseMs;
      if (now < expiry) next = Math.min(next, expiry);
      else {
        this.#release(held);
        this.#lose(held);
      }
    }
    return next;
  }

  #lose({ row, abort }: HeldRow): void {
    const at = this.now();
    const message = `worker ${this.worker.name} was lost while it held this state`;
    const attempt = row.attempts.length + 1;
    const by = { session: this.name, worker: this.worker.name, started: at, ended: at };
    row.attempts = [...row.attempts, { attempt, ...by, result: 'lost', error: { message } }];
    abort.abort();
    this.#noteEmpty();
  }

  #noteEmpty(): void {
    if (this.#holds.size > 0) return;
    for (const resolve of this.#onEmpty) resolve();
    this.#onEmpty = [];
  }

  async close(drainMs: number): Promise<void> {
    this.isClosed = true;
    this.#pending.answer([]);
    this.#store.reconsiderRefusals();
    const abortAll = (): void => {
      for (const { abort } of this.#holds.values()) abort.abort();
    };
    if (this.#holds.size > 0) {
      const drained = new AbortController();
      if (drainMs <= 0) abortAll();
      else if (drainMs < Number.POSITIVE_INFINITY) {
        void this.#store.clock.sleep(drainMs, drained.signal).then(abortAll);
      }
      await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
      drained.abort();
    }
    if (this.#bug !== undefined) throw this.#bug;
    this.#store.sessions.delete(this);
    this.#store.serve();
  }

  /** Other sessions get at once what it holds. */
  abort(reason: InvariantError): void {
    if (this.#bug !== undefined) return;
    this.#bug = reason;
    this.isClosed = true;
    this.#store.sessions.delete(this);
    this.#pending.fail(reason);
    for (const held of this.#holds.values()) {
      this.#holds.delete(held.task);
      held.row.holder = undefined;
      this.#store.held -= 1;
      this.#lose(held);
    }
    this.#noteEmpty();
    this.#store.reconsiderRefusals();
    this.#store.serve();
  }
}
