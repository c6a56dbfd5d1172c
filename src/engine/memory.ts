/**
 * An engine in the memory of one process: for programs that run workers of their own, and for tests of machines. It ends with
 * its process.
 */
import { configurationDifferences } from '../machine/config-difference.ts';
import { formatEvent, formatEventName } from '../machine/event.ts';
import { MAX_BATCH_EVENTS } from '../machine/event-batch.ts';
import { pastStep } from '../machine/past-step.ts';
import type { CommitRecord, RejectionRecord } from '../machine/record.ts';
import { publishedStates } from '../machine/record.ts';
import { unroutableReason } from '../machine/unroutable.ts';
import type {
  ChainStep,
  ConfigurationName,
  Configurations,
  Engine,
  Message,
  Sent,
} from './engine.ts';
import { MemoryRows, type StateRow } from './memory-rows.ts';
import type { Clock, Random } from './ports.ts';
import { decideRefusal } from './refusal.ts';
import type {
  Hold,
  Outcome,
  Refusal,
  Session,
  Settled,
  Settlement,
  Task,
  WorkerInfo,
} from './session.ts';
import { checkConfigurationName, checkMessage, checkState } from './validate.ts';

export interface MemoryOptions {
  /** Part of every idempotency key. Default: `memory`. */
  readonly id?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds after the deadline of a hold at which it expires. Default: 10,000. */
  readonly leaseMs?: number;
}

const DEFAULT_LEASE_MS = 10_000;
const ID_DIGITS = 8;
const encoder = new TextEncoder();

export function memoryEngine({ id = 'memory', clock, random, leaseMs }: MemoryOptions): Engine {
  const store = new MemoryStore(clock, random, leaseMs ?? DEFAULT_LEASE_MS);
  const { rows } = store;
  return {
    id,
    configurations: configurationsInMemory(),
    submit: async (name, bytes) => {
      checkState(name, bytes);
      if (rows.add(name, bytes.slice()) === undefined) {
        const isSame = Buffer.compare(rows.states.get(name)!.bytes, bytes) === 0;
        return isSame ? 'there already' : 'name taken';
      }
      store.serve();
      return 'submitted';
    },
    send: async (message) => store.send(message),
    eventResult: async (event) => rows.results.get(event),
    get: async (instance) => {
      const last = rows.last(instance);
      return last && stepOf(last);
    },
    history: async (instance) => rows.chain(instance).map(stepOf),
    instances: async () => rows.instances,
    failed: async () => [...rows.states.values()].filter(hasFailed).map(({ name }) => name),
    retry: async (state) => store.retry(state),
    pause: async () => void (store.isPaused = true),
    resume: async () => store.resume(),
    join: async (worker) => store.join(worker),
  };
}

function configurationsInMemory(): Configurations {
  const texts = new Map<string, { readonly key: ConfigurationName; readonly text: string }>();
  const idOf = ({ name, version }: ConfigurationName): string => `${name}:${version}`;
  return {
    put: async ({ name, version }, text) => {
      const key = { name, version };
      checkConfigurationName(key);
      const stored = texts.get(idOf(key));
      if (stored === undefined) {
        texts.set(idOf(key), { key, text });
        return { kind: 'stored' };
      }
      const differing = configurationDifferences(stored.text, text);
      return differing.length > 0 ? { kind: 'differs', differing } : { kind: 'there already' };
    },
    get: async (key) => texts.get(idOf(key))?.text,
    list: async () => Array.from(texts.values(), ({ key }) => key),
  };
}

const hasFailed = ({ failure, done }: StateRow): boolean =>
  failure !== undefined && done === undefined;

function stepOf(row: StateRow): ChainStep {
  const { name, file, done, failure, holder, tick } = row;
  const record = done?.record;
  const open = row.isWaiting ? 'waiting' : 'available';
  const running = holder === undefined ? open : 'in progress';
  const flag = done !== undefined ? 'done' : failure === undefined ? running : 'failed';
  return {
    name,
    flag,
    state: file.state,
    payload: file.payload,
    worker: done?.worker ?? failure?.worker ?? workerOf(holder),
    started: record?.started ?? tick?.started,
    duration:
      record === undefined
        ? tick?.duration
        : Date.parse(record.finished) - Date.parse(record.started),
    attempts: record?.attempts ?? failure?.attempts ?? row.attempts,
    events: record?.events ?? [],
    output: record?.output,
    reason: done === undefined ? failure?.reason : undefined,
    join: file.join,
  };
}

const workerOf = (hold: Hold | undefined): string | undefined =>
  hold?.session.slice(0, hold.session.lastIndexOf('.'));

/** A hold, as the store knows it. */
interface Held {
  readonly row: StateRow;
  readonly task: Task;
  readonly abort: AbortController;
  /** Monotonic, ms. */
  deadline: number;
  /** By instance: the state file that it was at when it was observed. */
  readonly observed: Map<string, string | undefined>;
}

class MemoryStore {
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly rows: MemoryRows = new MemoryRows();
  readonly sessions: Set<MemorySession> = new Set();
  isPaused = false;
  readonly #random: Random;
  #looks = 0;

  constructor(clock: Clock, random: Random, leaseMs: number) {
    this.clock = clock;
    this.#random = random;
    this.leaseMs = leaseMs;
  }

  now(): string {
    return new Date(this.clock.now()).toISOString();
  }

  /** Numbers looks at the store: see `Task.asOf`. */
  look(): number {
    return (this.#looks += 1);
  }

  join(worker: WorkerInfo): Session {
    const boot = Math.floor(this.#random() * 10 ** ID_DIGITS);
    const session = `${worker.name}.${String(boot).padStart(ID_DIGITS, '0')}`;
    const joined = new MemorySession(this, session, worker);
    this.sessions.add(joined);
    return joined;
  }

  send(message: Message): Sent {
    checkMessage(message);
    const { to, id, file } = message;
    const result = this.rows.results.get(id);
    if (result !== undefined) return result;
    const { delay = 0 } = file;
    const now = this.clock.now();
    const time = new Date(Math.floor(now) + delay).toISOString();
    const name = formatEventName({ time, isDelayed: delay > 0, id, to });
    const sent = this.rows.post(name, formatEvent(file), now)!;
    this.serve();
    return { kind: 'sent', name: sent.name };
  }

  retry(state: string): boolean {
    const row = this.rows.states.get(state);
    if (row === undefined || !hasFailed(row)) return false;
    row.failure = undefined;
    row.notBefore = undefined;
    row.refusedBy.clear();
    this.rows.open(row);
    this.serve();
    return true;
  }

  resume(): boolean {
    const was = this.isPaused;
    this.isPaused = false;
    this.serve();
    return was;
  }

  /** Something may be ready for the sessions that wait. */
  serve(): void {
    for (const session of this.sessions) session.serve();
  }

  /** I12, I10: an event that no open state waits for is rejected when its instance has ended, or its grace is over. */
  rejectUnroutable({ session, worker }: { session: string; worker: string }): void {
    const now = this.clock.now();
    for (const { id, name: file, to, due, lapses } of [...this.rows.pendingEvents]) {
      const last = this.rows.last(to);
      if (due > now || (last !== undefined && this.rows.isOpen(last))) continue;
      const hasEnded = last?.done !== undefined && last.done.record?.next === undefined;
      const reason = unroutableReason(to, last && { name: last.name, hasEnded }, now >= lapses);
      if (reason === undefined) continue;
      const by = { session, worker, at: this.now() };
      const outcome: RejectionRecord = { flockwork: 1, id, file, ...reason, ...by };
      this.rows.conclude(id, { kind: 'over', outcome });
    }
  }

  commit(held: Held, { record, rests, readSet }: Extract<Outcome, { kind: 'commit' }>): Settled {
    const { row, observed, task } = held;
    const { rows } = this;
    const hasMoved = (one: string): boolean => rows.last(one)?.name !== observed.get(one);
    if (readSet?.some(hasMoved) === true) return 'outdated';
    // I10: an event is applied by one commit.
    if (record?.events?.some(({ id }) => rows.results.has(id)) === true) return 'outdated';
    row.done = { worker: workerOf(task)!, record };
    rows.close(row);
    for (const outcome of record?.events ?? []) {
      rows.conclude(outcome.id, { kind: 'over', outcome, state: row.name });
    }
    for (const { name, content } of record?.emit ?? []) rows.post(name, content, this.clock.now());
    this.#publish(row, record, task, rests === true);
    return 'settled';
  }

  /** I9: where the name of a successor is taken by another file, both are kept: ours is in the reason of its failure. */
  #publish(row: StateRow, record: CommitRecord | undefined, by: Hold, rests: boolean): void {
    for (const { name, content } of publishedStates(record)) {
      const bytes = encoder.encode(content);
      const added = this.rows.add(name, bytes);
      const isNext = name === record?.next?.name;
      if (added !== undefined) added.isWaiting = isNext && rests;
      const there = this.rows.states.get(name)!;
      if (added !== undefined || Buffer.compare(there.bytes, bytes) === 0) continue;
      const reason = `${row.name} leads to ${name}, but something else has that name; it is kept as it is, and was to be: ${content}`;
      const worker = workerOf(by)!;
      there.failure = {
        flockwork: 1,
        state: name,
        session: by.session,
        worker,
        at: this.now(),
        code: 'successor-taken',
        reason,
      };
      this.rows.close(there);
    }
  }

  refuse(held: Held, refusal: Refusal): Settled {
    const { row, task } = held;
    const { session } = task;
    row.refusedBy.add(session);
    const living = [...this.sessions];
    const asked = living.filter((one) => !row.refusedBy.has(one.name));
    const known = (sessions: readonly MemorySession[]): ReturnType<WorkerInfo['machines']>[] =>
      sessions.map(({ worker }) => worker.machines());
    const decided = decideRefusal(refusal, known(asked), known(living));
    if (decided.kind === 'leave') return 'settled';
    const { code, reason } = decided;
    const common = { flockwork: 1, state: row.name, session, worker: workerOf(task)! } as const;
    const attempts = row.attempts.length > 0 && { attempts: row.attempts };
    row.failure = { ...common, at: this.now(), code, reason, ...attempts };
    this.rows.close(row);
    return 'failed';
  }
}

class MemorySession implements Session {
  readonly name: string;
  readonly worker: WorkerInfo;
  readonly unreadable = 0;
  readonly concurrentSettles = 1;
  readonly #store: MemoryStore;
  readonly #holds = new Map<Hold, Held>();
  readonly #settled = new WeakMap<Hold, Settled>();
  #taking:
    | { readonly limit: number; readonly resolve: (taken: readonly Task[] | 'drained') => void }
    | undefined;
  #alarm: AbortController | undefined;
  #onEmpty: (() => void) | undefined;
  #isClosed = false;
  isIdle = false;

  constructor(store: MemoryStore, name: string, worker: WorkerInfo) {
    this.#store = store;
    this.name = name;
    this.worker = worker;
  }

  now(): string {
    return this.#store.now();
  }

  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'> {
    return new Promise((resolve) => {
      const onAbort = (): void => this.#answer([]);
      signal.addEventListener('abort', onAbort);
      this.#taking = {
        limit,
        resolve: (taken) => {
          signal.removeEventListener('abort', onAbort);
          resolve(taken);
        },
      };
      if (signal.aborted || this.#isClosed) this.#answer([]);
      else this.serve();
    });
  }

  #answer(taken: readonly Task[] | 'drained'): void {
    const taking = this.#taking;
    this.#taking = undefined;
    this.#alarm?.abort();
    this.#alarm = undefined;
    taking?.resolve(taken);
  }

  /** Answers a call of `take` that waits, if there is something to say; else it is looked at when something is due. */
  serve(): void {
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
    const isHeld = [...store.sessions].some((one) => one.#holds.size > 0);
    const isLeft = ready.rows.length + ready.delayed + pending.length > 0 || isHeld;
    if (!isLeft && !store.isPaused && !this.worker.stays) return this.#answer('drained');
    const lapses = pending.map((event) => event.lapses).filter((time) => time > now);
    this.#wakeAt(Math.min(ready.wake, ...lapses));
  }

  /** `time`: milliseconds since the epoch. A deadline wakes it, too. */
  #wakeAt(time: number): void {
    const { clock, leaseMs, sessions } = this.#store;
    const holds = [...sessions].flatMap((one) => [...one.#holds.values()]);
    const expiry = Math.min(...holds.map(({ deadline }) => deadline + leaseMs));
    const ms = Math.min(time - clock.now(), expiry - clock.monotonic());
    this.#alarm?.abort();
    this.#alarm = undefined;
    if (ms === Number.POSITIVE_INFINITY) return;
    const alarm = new AbortController();
    this.#alarm = alarm;
    void clock.sleep(Math.max(1, ms), alarm.signal).then(() => {
      if (!alarm.signal.aborted) this.serve();
      return undefined;
    });
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
    const deadline = Number.POSITIVE_INFINITY;
    this.#holds.set(task, { row, task, abort, deadline, observed });
    return task;
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    const settled = settlements.map((settlement) => this.#settleOne(settlement));
    this.#store.serve();
    if (this.#holds.size === 0) this.#onEmpty?.();
    return settled;
  }

  #settleOne(settlement: Settlement): Settled {
    const { hold, outcome, tick } = settlement;
    const before = this.#settled.get(hold);
    if (before !== undefined) return before;
    const held = this.#holds.get(hold);
    // The fence: a hold that has expired settles nothing.
    if (held === undefined) return 'lost';
    this.#release(held);
    if (tick !== undefined) held.row.tick = tick;
    const settled = this.#carryOut(held, outcome);
    this.#settled.set(hold, settled);
    return settled;
  }

  #carryOut(held: Held, outcome: Outcome): Settled {
    const { row } = held;
    switch (outcome.kind) {
      case 'commit':
        return this.#store.commit(held, outcome);
      case 'refuse':
        return this.#store.refuse(held, outcome);
      case 'fail':
        row.failure = outcome.record;
        this.#store.rows.close(row);
        return 'failed';
      case 'retry':
        row.attempts = [...row.attempts, { ...outcome.attempt, attempt: row.attempts.length + 1 }];
        row.notBefore = outcome.attempt.notBefore;
        return 'settled';
      case 'defer':
        row.notBefore = outcome.notBefore;
        return 'settled';
      case 'wait':
        row.isWaiting = true;
        row.attempts = [];
        return 'settled';
      case 'release':
        return 'settled';
    }
  }

  #release(held: Held): void {
    this.#holds.delete(held.task);
    held.row.holder = undefined;
  }

  setDeadline(hold: Hold, at: number): void {
    const held = this.#holds.get(hold);
    if (held !== undefined) held.deadline = at;
    if (this.#taking !== undefined) this.serve();
  }

  /** Holds whose deadline has passed by a lease: their attempts are lost. */
  #expire(): void {
    const { clock, leaseMs, sessions } = this.#store;
    const now = clock.monotonic();
    for (const session of sessions) {
      for (const held of [...session.#holds.values()]) {
        if (now < held.deadline + leaseMs) continue;
        session.#release(held);
        session.#lose(held);
      }
    }
  }

  #lose({ row, abort }: Held): void {
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
    this.#store.sessions.delete(this);
    this.#store.serve();
  }
}
