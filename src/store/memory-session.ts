/** A session on a store in memory: the work, for workers of one process. */
import { MAX_BATCH_EVENTS, type PendingEvent } from '../machine/event-batch.ts';
import type { PastStep } from '../machine/definition.ts';
import { parseStateName } from '../machine/name.ts';
import { pastStep } from '../machine/past-step.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { cycleStart, type Interval, type PhaseLengths } from '../semaphore/cycle.ts';
import type { Clock } from '../semaphore/ports.ts';
import { Ring, type Task } from '../semaphore/ring.ts';
import { formatInstant } from '../semaphore/volume-clock.ts';
import type {
  Glance,
  Intake,
  JournalEntry,
  Recovering,
  Recovery,
  Session,
  Snapshot,
  Step,
  KnownMachines,
  Token,
  Window,
} from './session.ts';
import { answerOrphans } from './memory-orphans.ts';
import type { Participant, Posted, Rows } from './memory-rows.ts';
import { settleStep } from './memory-settle.ts';
import type { Vigil } from './memory-vigil.ts';

/** What all sessions of a store have in common. */
export interface Shared {
  readonly rows: Rows;
  readonly vigil: Vigil;
  readonly clock: Clock;
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly configurations: Session['configurations'];
}

export class MemorySession implements Session {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly token: Token;
  readonly configurations: Session['configurations'];
  readonly #rows: Rows;
  readonly #vigil: Vigil;
  readonly #clock: Clock;
  readonly #self: Participant;
  /** Others under this worker's name, and how often each had been heard of when this one came. */
  readonly #met: ReadonlyMap<Participant, number>;
  readonly #sensors: Map<string, StateFile | undefined>;
  #deadline = Number.POSITIVE_INFINITY;
  /** As of the last snapshot: what is due, by instance. */
  #inbox: ReadonlyMap<string, readonly Posted[]> = new Map();

  constructor(
    { rows, vigil, clock, phases, lease, configurations }: Shared,
    token: Token,
    sensors: readonly string[],
  ) {
    [this.#rows, this.#vigil, this.#clock] = [rows, vigil, clock];
    [this.phases, this.lease, this.token] = [phases, lease, token];
    this.configurations = configurations;
    this.#sensors = new Map(sensors.map((instance) => [instance, undefined]));
    const others = [...rows.participants.values()];
    const namesakes = others.filter((one) => one.token.worker === token.worker);
    this.#met = new Map(namesakes.map((one) => [one, one.calls]));
    this.#self = { token, claims: new Set(), heard: vigil.now(), calls: 0, isOver: false };
    rows.participants.set(token.session, this.#self);
  }

  /** One clock for all. */
  time(): Interval {
    const now = this.#clock.now();
    return { earliest: now, latest: now + this.uncertainty() };
  }

  uncertainty(): number {
    return 1;
  }

  stamp(): string {
    return formatInstant(this.#clock.now());
  }

  /** The proof of life: a worker asks several times a cycle, or twice a lease. */
  async check(): Promise<'alive' | 'broken'> {
    const self = this.#self;
    if (self.isOver) return 'broken';
    if (this.#clock.monotonic() > this.#deadline) return 'alive';
    self.heard = this.#vigil.now();
    self.calls += 1;
    return 'alive';
  }

  setDeadline(monotonic: number): void {
    this.#deadline = monotonic;
  }

  async rival(): Promise<Token | undefined> {
    for (const [other, calls] of this.#met) {
      if (other.calls > calls && !this.#vigil.isDead(other)) return other.token;
    }
    return undefined;
  }

  async register({ mayStart }: Window): Promise<boolean> {
    const { roster } = this.#rows;
    if (!mayStart()) return false;
    const other = roster.get(this.token.worker) ?? this.#self;
    roster.set(this.token.worker, other);
    return other === this.#self;
  }

  async withdraw({ mayStart }: Window): Promise<boolean> {
    if (!mayStart()) return false;
    this.#strike(this.#self);
    return true;
  }

  #strike(one: Participant): void {
    const { roster } = this.#rows;
    if (roster.get(one.token.worker) === one) roster.delete(one.token.worker);
  }

  async glance(): Promise<Glance> {
    for (const instance of this.#sensors.keys()) {
      const last = this.#rows.last(instance);
      const parsed = last && parseStateFile(last.bytes);
      if (parsed?.ok === true) this.#sensors.set(instance, parsed.file);
    }
    const roster = Array.from(this.#rows.roster.values(), ({ token }) => {
      const { session, worker: name, concurrency, capacity } = token;
      return { session, name, concurrency, capacity };
    });
    return { roster, paused: false };
  }

  async snapshot(_arrived?: ReadonlySet<string>, glance?: Glance): Promise<Snapshot> {
    const { roster, paused } = glance ?? (await this.glance());
    const rows = this.#rows;
    const now = cycleStart(this.phases, this.#clock.now());
    let delayed = 0;
    const inbox = new Map<string, readonly Posted[]>();
    for (const [instance, queue] of rows.events) {
      const due = queue.filter((one) => rows.isEventDue(one, now));
      delayed += queue.length - due.length;
      if (due.length > 0) inbox.set(instance, due);
    }
    const tasks: Task[] = [];
    const orphans = new Set(inbox.keys());
    for (const row of rows.open) {
      const { name, instance } = row;
      orphans.delete(instance);
      if (row.claim !== undefined || (row.isWaiting && !inbox.has(instance))) continue;
      if (rows.isDue(row, now)) tasks.push({ name, instance, refusedBy: [...row.refusedBy] });
      else delayed += 1;
    }
    this.#inbox = inbox;
    const inProgress = [...rows.participants.values()].reduce(
      (sum, one) => sum + one.claims.size,
      0,
    );
    return { tasks: Ring.of(tasks), roster, paused, inProgress, delayed: delayed + orphans.size };
  }

  /** A commit is whole at once. */
  async owed(): Promise<number> {
    return 0;
  }

  async claim(name: string, _window: Window): ReturnType<Session['claim']> {
    const row = this.#rows.states.get(name);
    if (row === undefined || !this.#rows.open.has(row)) return 'finished';
    if (!this.#rows.isDue(row, this.#clock.now())) return 'delayed';
    // Who has left, or is dead, holds nothing: nobody would look after it.
    if (row.claim !== undefined || this.#self.isOver) return 'taken';
    this.#rows.claim(row, this.#self);
    return 'ours';
  }

  async intake(name: string): Promise<Intake> {
    const row = this.#rows.states.get(name);
    if (row === undefined) return { kind: 'unreadable', code: 'ENOENT', reason: 'it is gone' };
    return { kind: 'text', bytes: row.bytes, attempts: row.attempts };
  }

  sensor(instance: string): StateFile | undefined {
    if (this.#sensors.has(instance)) return this.#sensors.get(instance);
    throw new Error(`nobody looks at ${instance}: name it in the machine's sensors`);
  }

  async history(name: string): Promise<readonly PastStep[]> {
    const chain = this.#rows.chain(parseStateName(name)!.instance);
    const last = chain.findIndex((row) => row.name === name);
    return chain.slice(0, last + 1).map((row) => pastStep(row.name, row.bytes, row.done?.record));
  }

  async events(name: string): Promise<readonly PendingEvent[]> {
    const due = this.#inbox.get(this.#rows.states.get(name)?.instance ?? '') ?? [];
    return due
      .filter((one) => this.#rows.isPending(one))
      .slice(0, MAX_BATCH_EVENTS)
      .map(({ name: file, id, content }) => ({ file, id, content }));
  }

  async announce(known: KnownMachines): Promise<void> {
    this.#self.token = { ...this.token, ...known };
  }

  async sessions(): Promise<readonly Token[]> {
    return Array.from(this.#rows.participants.values(), ({ token }) => token);
  }

  async settle(steps: readonly Step[], window: Window): Promise<void> {
    for (const step of steps) {
      step.error = undefined;
      if (!window.mayStart()) return;
      if (step.progress === 'settled') continue;
      settleStep(this.#rows, this.#self, step, window, this.stamp());
    }
  }

  /** No file changes here, and its workers all come with their machines. */
  async bringBack(): Promise<readonly string[]> {
    return [];
  }

  async recover(
    _cycle: number,
    { mayStart }: Window,
    { isHeld = () => true }: Recovering = {},
  ): Promise<Recovery> {
    const broken: string[] = [];
    const dropped: string[] = [];
    const report = { broken, dropped, finished: [], of: broken, foreign: [], passedOver: [] };
    for (const one of this.#rows.participants.values()) {
      if (one === this.#self || !this.#vigil.isDead(one)) continue;
      if (!mayStart()) return report;
      report.broken.push(one.token.session);
      report.dropped.push(...this.#bury(one));
    }
    for (const row of this.#self.claims) {
      if (!isHeld(row.name) && mayStart()) this.#rows.release(row);
    }
    const { session, worker } = this.token;
    const by = { session, worker, at: this.stamp() };
    if (mayStart()) answerOrphans(this.#rows, by, this.#clock);
    return report;
  }

  /** Returns the states that it has held. */
  #bury(one: Participant): string[] {
    const { session, worker, started } = one.token;
    one.isOver = true;
    this.#strike(one);
    this.#rows.participants.delete(session);
    const message = `worker ${worker} was lost while it held this state`;
    const lost = { attempt: 1, session, worker, started, result: 'lost' as const };
    return Array.from(one.claims, (row) => {
      // Where it waits nothing runs; what is done, or has failed, is not tried again.
      const isTried = !row.isWaiting && this.#rows.open.has(row);
      if (isTried) this.#rows.count(row, { ...lost, ended: this.stamp(), error: { message } });
      this.#rows.release(row);
      return row.name;
    });
  }

  /** Nothing is in anybody's way. */
  async archive(): Promise<number> {
    return 0;
  }

  async journal(entries: readonly JournalEntry[]): Promise<void> {
    for (const entry of entries) {
      const row = this.#rows.states.get(entry.state);
      if (row !== undefined && !(row.entry !== undefined && row.entry.started > entry.started)) {
        row.entry = entry;
      }
    }
  }

  /** Nobody can ask a store in memory from outside. */
  async reportHeld(): Promise<void> {}

  /** What it still holds is for the others, at once. */
  async leave(): Promise<void> {
    this.#self.isOver = true;
    this.#strike(this.#self);
    if (this.#self.claims.size === 0) this.#rows.participants.delete(this.token.session);
  }
}
