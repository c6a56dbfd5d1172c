/** A session of a memory engine: its holds, and its pending call of `take`. */
import { MAX_BATCH_EVENTS } from '../machine/event-batch.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';
import { pastStep } from '../machine/past-step.ts';
import { machineNamed } from '../machine/state-file.ts';
import type { WorkerView } from './engine.ts';
import { entryOf, settledEntry } from './journal-entry.ts';
import type { MemoryStore } from './memory.ts';
import type { StateRow } from './memory-rows.ts';
import type { Hold, Outcome, Session, Settled, Settlement, Task, WorkerInfo } from './session.ts';

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

/** The pending call of `take`. */
interface Taking {
  readonly limit: number;
  readonly resolve: (taken: readonly Task[] | 'drained') => void;
  readonly reject: (reason: InvariantError) => void;
}

/** The worker of a session, `NAME.BOOT`. */
export const workerOf = ({ session }: Pick<Hold, 'session'>): string =>
  session.slice(0, session.lastIndexOf('.'));

export class MemorySession implements Session {
  readonly name: string;
  readonly worker: WorkerInfo;
  readonly unreadable = 0;
  readonly concurrentSettles = 1;
  readonly #store: MemoryStore;
  readonly #holds = new Map<Hold, HeldRow>();
  readonly #settled = new WeakMap<Hold, Settled>();
  #taking: Taking | undefined;
  #alarm: AbortController | undefined;
  #onEmpty: (() => void) | undefined;
  #isClosed = false;
  #bug: InvariantError | undefined;
  isIdle = false;

  constructor(store: MemoryStore, name: string, worker: WorkerInfo) {
    this.#store = store;
    this.name = name;
    this.worker = worker;
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
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#answer([]);
      signal.addEventListener('abort', onAbort);
      this.#taking = {
        limit,
        resolve: (taken) => {
          signal.removeEventListener('abort', onAbort);
          resolve(taken);
        },
        reject: (reason) => {
          signal.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      if (signal.aborted || this.#isClosed) this.#answer([]);
      else this.serve();
    });
  }

  #answer(taken: readonly Task[] | 'drained'): void {
    this.#endTake()?.resolve(taken);
  }

  #endTake(): Taking | undefined {
    const taking = this.#taking;
    this.#taking = undefined;
    this.#alarm?.abort();
    this.#alarm = undefined;
    return taking;
  }

  /** Answers the pending call of `take`, if possible; otherwise tries again when a state, event or deadline is due. */
  serve(): void {
    this.#store.watch(() => this.#serve());
  }

  #serve(): void {
    const store = this.#store;
    this.#expire();
    store.rejectUnroutable({ session: this.name, worker: this.worker.name });
    if (this.#taking === undefined) return;
    const now = store.clock.now();
    const ready = store.rows.ready(now);
    const tasks = store.isPaused ? [] : this.#pick(ready.rows, this.#taking.limit, now);
    this.isIdle = ready.rows.length === 0;
    if (tasks.length > 0) return this.#answer(tasks);
    const pending = [...store.rows.pendingEvents];
    const isHeldRow = [...store.sessions].some((one) => one.#holds.size > 0);
    const isLeft = ready.rows.length + ready.delayed + pending.length > 0 || isHeldRow;
    if (!isLeft && !store.isPaused && !this.worker.stays) return this.#answer('drained');
    const lapses = pending.map((event) => event.lapses).filter((time) => time > now);
    this.#wakeAt(Math.min(ready.wake, ...lapses));
  }

  /** Calls `serve` at `time` (milliseconds since the epoch), or earlier when a hold expires. */
  #wakeAt(time: number): void {
    const { clock, leaseMs, sessions } = this.#store;
    const holds = [...sessions].flatMap((one) => [...one.#holds.values()]);
    const expiry = Math.min(...holds.map(({ deadline }) => deadline + leaseMs));
    const ms = Math.min(time - clock.now(), expiry - clock.monotonic());
    this.stopAlarm();
    if (ms === Number.POSITIVE_INFINITY || this.#store.closing.signal.aborted) return;
    const alarm = new AbortController();
    this.#alarm = alarm;
    void this.#serveAfter(Math.max(1, ms), alarm.signal);
  }

  async #serveAfter(ms: number, signal: AbortSignal): Promise<void> {
    await this.#store.clock.sleep(ms, signal);
    try {
      if (!signal.aborted) this.serve();
    } catch (error) {
      // The sessions have been told of a bug.
      if (!(error instanceof InvariantError)) throw error;
    }
  }

  stopAlarm(): void {
    this.#alarm?.abort();
    this.#alarm = undefined;
  }

  #pick(rows: readonly StateRow[], limit: number, now: number): Task[] {
    const tasks: Task[] = [];
    const asOf = this.#store.look();
    let left = limit;
    for (const row of rows) {
      if (row.refusedBy.has(this.name)) continue;
      const needsSlot = this.worker.needsSlot(row.file);
      if (needsSlot && left <= 0) continue;
      if (needsSlot) left -= 1;
      tasks.push(this.#hold(row, asOf, needsSlot ? [] : this.#eventsOf(row, now)));
    }
    return tasks;
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
    this.#holds.set(task, { row, task, abort, since: this.now(), deadline, observed });
    return task;
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    if (this.#bug !== undefined) throw this.#bug;
    const settled = this.#store.watch(() => settlements.map((one) => this.#settleOne(one)));
    this.#store.serve();
    if (this.#bug !== undefined) throw this.#bug;
    if (this.#holds.size === 0) this.#onEmpty?.();
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
  }

  setDeadline(hold: Hold, at: number): void {
    const held = this.#holds.get(hold);
    if (held !== undefined) held.deadline = at;
    if (this.#taking !== undefined) this.serve();
  }

  /** Releases holds whose deadline passed a lease ago; counts lost attempts. */
  #expire(): void {
    const { clock, leaseMs, sessions } = this.#store;
    const now = clock.monotonic();
    for (const session of sessions) {
      for (const held of session.#holds.values()) {
        if (now < held.deadline + leaseMs) continue;
        session.#release(held);
        session.#lose(held);
      }
    }
  }

  #lose({ row, abort }: HeldRow): void {
    const at = this.now();
    const message = `worker ${this.worker.name} was lost while it held this state`;
    const attempt = row.attempts.length + 1;
    const by = { session: this.name, worker: this.worker.name, started: at, ended: at };
    row.attempts = [...row.attempts, { attempt, ...by, result: 'lost', error: { message } }];
    abort.abort();
    if (this.#holds.size === 0) this.#onEmpty?.();
  }

  async close(drainMs: number): Promise<void> {
    this.#isClosed = true;
    this.#answer([]);
    const abortAll = (): void => {
      for (const { abort } of this.#holds.values()) abort.abort();
    };
    if (this.#holds.size > 0) {
      const drained = new AbortController();
      if (drainMs <= 0) abortAll();
      else if (drainMs < Number.POSITIVE_INFINITY) {
        void this.#store.clock.sleep(drainMs, drained.signal).then(abortAll);
      }
      await new Promise<void>((resolve) => (this.#onEmpty = resolve));
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
    this.#isClosed = true;
    this.#store.sessions.delete(this);
    this.#endTake()?.reject(reason);
    for (const held of this.#holds.values()) {
      this.#holds.delete(held.task);
      held.row.holder = undefined;
      this.#lose(held);
    }
    this.#onEmpty?.();
    this.#store.serve();
  }
}
