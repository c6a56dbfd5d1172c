/**
 * An engine in the memory of one process, for programs that run their own workers and for tests of machines. Its data end with
 * the process.
 */
import { configurationDifferences } from '../machine/config.ts';
import { UserError } from '../machine/errors.ts';
import { formatEvent, formatEventName } from '../machine/event.ts';
import { invariant, InvariantError } from '../machine/invariant.ts';
import { parseStateName, successorName, compareCodePoints } from '../machine/name.ts';
import { publishedStates, type CommitRecord, type RejectionRecord } from '../machine/record.ts';
import { parseStateFile } from '../machine/state-file.ts';
import { unroutableReason } from '../machine/decide.ts';
import type {
  ConfigurationName,
  Configurations,
  Engine,
  NewEvent,
  NewPlace,
  NewState,
  PlaceResult,
  ResetFilter,
  ResetResult,
  SendResult,
  SubmitResult,
  WorkerView,
} from './engine.ts';
import { settledEntry, untickedEntry } from './journal-entry.ts';
import { hintsOf, Alarm, type NoteChange } from './waits.ts';
import { MemoryRows, TickLog, type StateRow } from './memory-rows.ts';
import { MemorySession, type HeldRow } from './memory-session.ts';
import { countRows, hasFailed, listRows, stepOf } from './memory-views.ts';
import type { Clock, Random } from './ports.ts';
import {
  isPlaced,
  operatorName,
  placementOf,
  forkingState,
  sessionName,
  workerOf,
  resetProblem,
  decideRefusal,
} from './decisions.ts';
import type { Hold, Outcome, Refusal, Session, Settled, WorkerInfo } from './session.ts';
import {
  checkConfigurationName,
  checkEvents,
  checkPage,
  checkPlace,
  checkStates,
  checkTime,
} from './validate.ts';

export interface MemoryOptions {
  /** Part of every idempotency key. Default: `memory`. */
  readonly id?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Time from a hold's deadline until it expires. Default: 10,000. */
  readonly leaseMs?: number;
}

const DEFAULT_LEASE_MS = 10_000;
const IN_MEMORY =
  'Everything is in the memory of this process, and ends with it. Use another engine for what must outlast it.';
const encoder = new TextEncoder();

export function memoryEngine({ id = 'memory', clock, random, leaseMs }: MemoryOptions): Engine {
  const store = new MemoryStore(clock, random, leaseMs ?? DEFAULT_LEASE_MS);
  const { rows } = store;
  return {
    id,
    configurations: configurationsInMemory(),
    submit: async (states, signal) => store.submit(states, signal),
    send: async (events) => store.send(events),
    eventResult: async (event) => rows.results.get(event),
    get: async (instance) => {
      const last = rows.last(instance);
      return last && stepOf(last);
    },
    history: async (instance) => rows.chain(instance).map(stepOf),
    list: async (filter, page) => {
      checkPage(page);
      return listRows(rows, filter, page);
    },
    counts: async () => countRows(rows),
    workers: async () => store.workers(),
    ticks: async (since, page) => {
      checkTime(since);
      checkPage(page);
      return store.ticks.read(since, page);
    },
    retry: async (states) => store.retry(states),
    pause: async () => store.pause(),
    resume: async () => store.resume(),
    reset: async (what, signal) => store.reset(what, signal),
    watch: (signal) =>
      hintsOf(
        async (note) => {
          store.watchers.add(note);
          return () => store.watchers.delete(note);
        },
        AbortSignal.any([signal, store.closing.signal]),
      ),
    inspect: async () => [{ code: 'in-memory', message: IN_MEMORY }],
    close: async () => store.close(),
    place: async (instance, to) => store.place(instance, to),
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

/** I1, I2: one commit of a state, by the session that held it, to the next number. */
function checkCommit(
  { name, done }: StateRow,
  record: CommitRecord | undefined,
  { session }: Hold,
): void {
  invariant(done === undefined, 'I1: expected one commit of a state', name, session);
  if (record === undefined) return;
  const isOwn = record.state === name;
  invariant(isOwn, 'I2: expected the record of the state that is held', name, session);
  invariant(record.session === session, 'I1: expected a record of the session', name, session);
  const isReadable = publishedStates(record).every(
    ({ content }) => parseStateFile(encoder.encode(content)).ok,
  );
  invariant(isReadable, 'I2: expected successors that are state files', name, session);
  const isNext = record.next === undefined || record.next.name === successorName(name);
  invariant(isNext, 'I2: expected the next number for the successor', name, session);
}

export class MemoryStore {
  readonly clock: Clock;
  readonly leaseMs: number;
  readonly rows: MemoryRows = new MemoryRows();
  readonly sessions: Set<MemorySession> = new Set();
  readonly ticks: TickLog = new TickLog();
  readonly watchers: Set<NoteChange> = new Set();
  readonly closing: AbortController = new AbortController();
  isPaused = false;
  /** By instance: the time of the last event that was sent to it, ms. */
  readonly #sent = new Map<string, number>();
  /** Number of holds of all sessions. */
  held = 0;
  readonly expiry: Alarm;
  /** Rows that were refused, and left to other sessions. */
  readonly #refused = new Set<StateRow>();
  readonly #random: Random;
  #looks = 0;
  #bug: InvariantError | undefined;

  constructor(clock: Clock, random: Random, leaseMs: number) {
    this.clock = clock;
    this.#random = random;
    this.leaseMs = leaseMs;
    this.expiry = new Alarm(clock, () => this.unattended(() => this.#expire()));
  }

  now(): string {
    return new Date(this.clock.now()).toISOString();
  }

  /** Returns the number of a new look at the store: see `Task.asOf`. */
  look(): number {
    return (this.#looks += 1);
  }

  join(worker: WorkerInfo): Session {
    if (this.#bug !== undefined) throw this.#bug;
    const joined = new MemorySession(this, sessionName(worker.name, this.#random), worker);
    this.sessions.add(joined);
    return joined;
  }

  submit(states: readonly NewState[], signal: AbortSignal | undefined): SubmitResult[] {
    checkStates(states);
    signal?.throwIfAborted();
    const results = states.map(({ name, bytes }): SubmitResult => {
      const added = this.rows.add(name, Uint8Array.from(bytes), this.now());
      if (added !== undefined) this.changed(added.instance);
      if (added !== undefined) return 'submitted';
      const isSame = Buffer.compare(this.rows.states.get(name)!.bytes, bytes) === 0;
      return isSame ? 'there already' : 'name taken';
    });
    this.serve();
    return results;
  }

  send(events: readonly NewEvent[]): SendResult[] {
    checkEvents(events);
    const results = events.map((event) => this.#sendOne(event));
    for (const { to } of events) this.changed(to);
    this.serve();
    return results;
  }

  #sendOne({ to, id, file }: NewEvent): SendResult {
    const result = this.rows.results.get(id);
    if (result !== undefined) return result;
    const { delay = 0 } = file;
    const now = this.clock.now();
    // Strictly increasing, so that the events of an instance stay in the order in which they were sent.
    const sent = Math.max(Math.floor(now), (this.#sent.get(to) ?? 0) + 1);
    this.#sent.set(to, sent);
    const time = new Date(sent + delay).toISOString();
    const name = formatEventName({ time, isDelayed: delay > 0, id, to });
    return { kind: 'sent', name: this.rows.post(name, formatEvent(file, id), now)!.name };
  }

  retry(states: readonly string[]): boolean[] {
    const results = states.map((state) => {
      const row = this.rows.states.get(state);
      if (row === undefined || !hasFailed(row)) return false;
      row.failure = undefined;
      row.attempts = [];
      row.notBefore = undefined;
      row.refusedBy.clear();
      this.rows.open(row);
      this.changed(row.instance);
      return true;
    });
    this.serve();
    return results;
  }

  workers(): WorkerView[] {
    const views = Array.from(this.sessions, (session) => session.view());
    return views.sort((a, b) => compareCodePoints(a.session, b.session));
  }

  pause(): void {
    this.isPaused = true;
    this.changed();
  }

  resume(): boolean {
    const was = this.isPaused;
    this.isPaused = false;
    this.serve();
    this.changed();
    return was;
  }

  /** Runs a part of a session's call. A bug in it ends all sessions: they share the rows. */
  guarded<Result>(act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      if (error instanceof InvariantError && this.#bug === undefined) {
        this.#bug = error;
        for (const session of this.sessions) session.abort(error);
      }
      throw error;
    }
  }

  /** As `guarded`, for an alarm: a bug has been told to the sessions, and no call waits for it. */
  unattended(act: () => void): void {
    try {
      this.guarded(act);
    } catch (error) {
      if (!(error instanceof InvariantError)) throw error;
    }
  }

  /** A session takes nothing more: what was left to it is handed out again, and failed if no other session knows it. */
  reconsiderRefusals(): void {
    if (this.#refused.size === 0) return;
    for (const { refusedBy } of this.#refused) refusedBy.clear();
    this.#refused.clear();
    this.serve();
  }

  #expire(): void {
    for (const session of this.sessions) this.expiry.set(session.expire());
    this.serve();
  }

  /** Serves all sessions: something may have become ready. */
  serve(): void {
    if (this.#bug !== undefined) return;
    for (const session of this.sessions) session.serve();
  }

  changed(instance?: string): void {
    for (const note of this.watchers) note(instance);
  }

  /** See `ClientApi.reset`. Holds of sessions that are gone have expired already. */
  reset(what: ResetFilter, signal: AbortSignal | undefined): ResetResult {
    const states = 'states' in what ? what.states : [];
    for (const name of states) this.#checkReset(name);
    const statuses = 'states' in what ? [] : what.statuses;
    const isUndone = 'states' in what || statuses.includes('done');
    if (isUndone && this.sessions.size > 0) {
      const names = Array.from(this.sessions, ({ name }) => name).join(', ');
      throw new UserError('workers-alive', `workers are running (${names}); stop them first`);
    }
    signal?.throwIfAborted();
    const rows = [...this.rows.states.values()];
    const failed = statuses.includes('failed') ? rows.filter(hasFailed) : [];
    this.retry(failed.map(({ name }) => name));
    const isDone = ({ done }: StateRow): boolean => done !== undefined;
    const all = statuses.includes('done') ? rows.filter(isDone).map(({ name }) => name) : states;
    const undone = new Set<string>();
    for (const name of all) this.#undo(name, undone);
    this.changed();
    return {
      done: [...undone],
      archived: [],
      failed: failed.map(({ name }) => name),
      inProgress: [],
    };
  }

  /** See `Engine.place`. */
  place(instance: string, to: NewPlace): PlaceResult {
    checkPlace(to);
    const row = this.rows.last(instance);
    if (row === undefined) return { kind: 'missing' };
    const { name, file } = row;
    if (row.done !== undefined) return { kind: 'ended' };
    if (!hasFailed(row) && isPlaced(file, to)) return { kind: 'there already', name };
    if (row.holder !== undefined) return { kind: 'held' };
    checkPlace(to, file);
    const [worker, stamp] = [operatorName(this.#random), (): string => this.now()];
    const by = { name, session: sessionName(worker, this.#random) };
    const record = placementOf(by, worker, file, to, stamp());
    row.failure = undefined;
    row.done = { worker, record };
    this.rows.close(row);
    this.#publish(row, record, by, false);
    const change = { kind: 'commit', record } as const;
    const token = { worker, session: by.session };
    const entry = untickedEntry(name, record.machine, change, { token, stamp });
    this.ticks.add(settledEntry(entry, { lost: false }));
    this.serve();
    this.changed(instance);
    return { kind: 'placed', name: record.next!.name };
  }

  #checkReset(name: string): void {
    if (parseStateName(name) === undefined) {
      throw new UserError('bad-name', `"${name}" is not a valid name of a state file`);
    }
    const { done } = this.rows.states.get(name) ?? {};
    const forking = forkingState(name);
    const hasForked = this.rows.states.get(forking ?? '')?.done !== undefined;
    const state = { isDone: done !== undefined, record: done?.record, hasForked };
    const problem = resetProblem(name, state);
    if (problem === undefined) return;
    throw new UserError('not-reset', `cannot reset ${name}: ${problem}`, { name });
  }

  /** Removes all that the step has led to, and makes its state available again. */
  #undo(name: string, undone: Set<string>): void {
    const steps = [name];
    const published: string[] = [];
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      const row = this.rows.states.get(step);
      if (row?.done === undefined || undone.has(step)) continue;
      undone.add(step);
      const next = publishedStates(row.done.record).map((one) => one.name);
      this.#undoStep(row);
      steps.push(...next);
      published.push(...next);
    }
    // The last ones first: `remove` shortens a chain from its end.
    for (const next of published.toReversed()) this.rows.remove(next);
  }

  #undoStep(row: StateRow): void {
    const record = row.done?.record;
    for (const event of record?.emit ?? []) this.rows.withdraw(event.name);
    for (const { id } of record?.events ?? []) this.rows.results.delete(id);
    row.done = undefined;
    row.isWaiting = false;
    row.notBefore = row.file.notBefore;
    row.refusedBy.clear();
    this.rows.open(row);
  }

  close(): void {
    this.closing.abort();
    this.expiry.clear();
    for (const session of this.sessions) session.stopAlarm();
  }

  /** I12, I10: an event that no open state waits for is rejected when its instance has ended, or its grace is over. */
  rejectUnroutable({ session, worker }: { session: string; worker: string }): void {
    const now = this.clock.now();
    for (const { id, name: file, to, due, lapses } of this.rows.pendingEvents) {
      const last = this.rows.last(to);
      if (due > now || (last !== undefined && this.rows.isOpen(last))) continue;
      const hasEnded = last?.done !== undefined && last.done.record?.next === undefined;
      const reason = unroutableReason(to, last && { name: last.name, hasEnded }, now >= lapses);
      if (reason === undefined) continue;
      const by = { session, worker, at: this.now() };
      const outcome: RejectionRecord = { flockwork: 1, id, file, ...reason, ...by };
      this.rows.conclude(id, { kind: 'over', outcome });
      this.changed(to);
    }
  }

  commit(held: HeldRow, { record, rests, readSet }: Extract<Outcome, { kind: 'commit' }>): Settled {
    const { row, observed, task } = held;
    const { rows } = this;
    const hasMoved = (one: string): boolean => rows.last(one)?.name !== observed.get(one);
    if (readSet?.some(hasMoved) === true) return 'outdated';
    // I10: an event is applied by one commit.
    if (record?.events?.some(({ id }) => rows.results.has(id)) === true) return 'outdated';
    checkCommit(row, record, task);
    row.done = { worker: workerOf(task), record };
    rows.close(row);
    for (const outcome of record?.events ?? []) {
      rows.conclude(outcome.id, { kind: 'over', outcome, state: row.name });
    }
    for (const { name, content } of record?.emit ?? []) rows.post(name, content, this.clock.now());
    this.#publish(row, record, task, rests === true);
    return 'settled';
  }

  /** I9: if another file has a successor's name, that file is kept and failed; its reason contains the successor. */
  #publish(row: StateRow, record: CommitRecord | undefined, by: Hold, rests: boolean): void {
    for (const { name, content } of publishedStates(record)) {
      const bytes = encoder.encode(content);
      const added = this.rows.add(name, bytes, this.now());
      const isNext = name === record?.next?.name;
      if (added !== undefined) added.isWaiting = isNext && rests;
      const there = this.rows.states.get(name)!;
      if (added !== undefined || Buffer.compare(there.bytes, bytes) === 0) continue;
      const reason = `${row.name} leads to ${name}, but something else has that name; it is kept as it is, and was to be: ${content}`;
      const worker = workerOf(by);
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

  refuse(held: HeldRow, refusal: Refusal): Settled {
    const { row, task } = held;
    const { session } = task;
    row.refusedBy.add(session);
    const living = [...this.sessions].filter(({ isClosed }) => !isClosed);
    const asked = living.filter((one) => !row.refusedBy.has(one.name));
    const known = (sessions: readonly MemorySession[]): ReturnType<WorkerInfo['machines']>[] =>
      sessions.map(({ worker }) => worker.machines());
    const decided = decideRefusal(refusal, known(asked), known(living));
    if (decided.kind === 'leave') {
      this.#refused.add(row);
      return 'settled';
    }
    const { code, reason } = decided;
    const common = { flockwork: 1, state: row.name, session, worker: workerOf(task) } as const;
    const attempts = row.attempts.length > 0 && { attempts: row.attempts };
    row.failure = { ...common, at: this.now(), code, reason, ...attempts };
    this.rows.close(row);
    return 'failed';
  }
}
