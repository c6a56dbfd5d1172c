/**
 * The data of a memory engine: state files, events and their results. All methods are synchronous, which makes each of them
 * atomic.
 */
import { eventIdOf, parseEvent, parseEventName } from '../machine/event.ts';
import { invariant } from '../machine/invariant.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { DEFAULT_GRACE_MS } from '../machine/decide.ts';
import type { EventResult, JournalEntry, Page, TickPage } from './engine.ts';
import type { Hold } from './session.ts';

/** A state file, with its progress or result. */
export interface StateRow {
  readonly name: string;
  readonly instance: string;
  readonly bytes: Uint8Array;
  readonly file: StateFile;
  /** ISO 8601: when it was stored. */
  readonly since: string;
  holder: Hold | undefined;
  /** Its one commit; `record` is undefined if none was written. */
  done: { readonly worker: string; readonly record: CommitRecord | undefined } | undefined;
  failure: FailureRecord | undefined;
  isWaiting: boolean;
  attempts: readonly Attempt[];
  /** ISO 8601: earliest start of the next attempt. */
  notBefore: string | undefined;
  /** Sessions that do not know its machine or state. */
  readonly refusedBy: Set<string>;
  /** The last tick. */
  tick: { readonly started: string; readonly duration: number } | undefined;
}

/** A pending event. Times are milliseconds since the epoch. */
export interface EventRow {
  /** The name that its file would have: it orders them. */
  readonly name: string;
  readonly id: string;
  readonly to: string;
  readonly content: string;
  readonly due: number;
  /** End of its grace: it is then rejected if its instance does not exist. */
  readonly lapses: number;
}

/** `wake`: when the next delayed state or event is due, or the grace of one is over (ms since the epoch); else infinite. */
export interface Ready {
  readonly rows: readonly StateRow[];
  /** Number of delayed states, and of pending events that do not wait for the retry of a failed state. */
  readonly pending: number;
  readonly wake: number;
}

export class MemoryRows {
  readonly states: Map<string, StateRow> = new Map();
  /** Rows that are neither done nor failed, by priority and then by age. */
  readonly #open = new Map<number, Set<StateRow>>();
  /** By instance: number of consecutive state files, from the first one on. */
  readonly #lengths = new Map<string, number>();
  /** Pending events by instance, in their order. */
  readonly events: Map<string, EventRow[]> = new Map();
  readonly #pending = new Map<string, EventRow>();
  readonly results: Map<string, EventResult> = new Map();

  /** Returns undefined if the name is taken. Throws for bytes that are not a state file. `since`: ISO 8601. */
  add(name: string, bytes: Uint8Array, since: string): StateRow | undefined {
    if (this.states.has(name)) return undefined;
    const parsed = parseStateFile(bytes);
    if (!parsed.ok) throw new Error(`${name}: ${parsed.reason}`);
    const { instance } = parseStateName(name)!;
    const row: StateRow = {
      name,
      instance,
      bytes,
      file: parsed.file,
      since,
      holder: undefined,
      done: undefined,
      failure: undefined,
      isWaiting: false,
      attempts: [],
      notBefore: parsed.file.notBefore,
      refusedBy: new Set(),
      tick: undefined,
    };
    this.states.set(name, row);
    this.open(row);
    let length = this.#lengths.get(instance) ?? 0;
    while (this.states.has(stateName(instance, length))) length += 1;
    this.#lengths.set(instance, length);
    return row;
  }

  /** Makes the row available. */
  open(row: StateRow): void {
    const priority = row.file.priority ?? 0;
    const rows = this.#open.get(priority) ?? new Set();
    this.#open.set(priority, rows.add(row));
  }

  /** The row is done, or has failed. */
  close(row: StateRow): void {
    this.#open.get(row.file.priority ?? 0)?.delete(row);
    row.attempts = [];
  }

  /** The state does not exist any more. */
  remove(name: string): void {
    const row = this.states.get(name);
    if (row === undefined) return;
    this.close(row);
    this.states.delete(name);
    const { instance, step } = parseStateName(name)!;
    const length = Math.min(step, this.#lengths.get(instance) ?? 0);
    if (length === 0) this.#lengths.delete(instance);
    else this.#lengths.set(instance, length);
  }

  isOpen(row: StateRow): boolean {
    return this.#open.get(row.file.priority ?? 0)?.has(row) === true;
  }

  get instances(): string[] {
    return [...this.#lengths.keys()];
  }

  /** The consecutive state files of an instance, in order. */
  chain(instance: string): StateRow[] {
    const length = this.#lengths.get(instance) ?? 0;
    return Array.from({ length }, (_, step) => this.states.get(stateName(instance, step))!);
  }

  last(instance: string): StateRow | undefined {
    const length = this.#lengths.get(instance) ?? 0;
    return length === 0 ? undefined : this.states.get(stateName(instance, length - 1));
  }

  /** Rows that may be handed out now, higher priorities first. `now`: milliseconds since the epoch. */
  ready(now: number): Ready {
    const rows: StateRow[] = [];
    let [pending, wake] = [0, Number.POSITIVE_INFINITY];
    const due = new Set<string>();
    for (const [instance, queue] of this.events) {
      for (const { lapses } of queue) if (lapses > now) wake = Math.min(wake, lapses);
      const last = this.last(instance);
      if (last?.failure !== undefined && last.done === undefined) continue;
      pending += queue.length;
      for (const event of queue) {
        if (event.due <= now) due.add(instance);
        else wake = Math.min(wake, event.due);
      }
    }
    const look = (row: StateRow): void => {
      if (row.holder !== undefined || (row.isWaiting && !due.has(row.instance))) return;
      const at = row.notBefore === undefined ? now : Date.parse(row.notBefore);
      if (at > now) {
        pending += 1;
        wake = Math.min(wake, at);
      } else rows.push(row);
    };
    const byPriority = [...this.#open].toSorted(([a], [b]) => b - a);
    for (const [, open] of byPriority) for (const row of open) look(row);
    return { rows, pending, wake };
  }

  /** Adds an event, unless its id is pending or has a result (I10). Returns the pending event with this id. */
  post(name: string, content: string, now: number): EventRow | undefined {
    const { key, to, time, isDelayed } = parseEventName(name)!;
    const id = eventIdOf(key, content);
    const known = this.#pending.get(id);
    if (known !== undefined || this.results.has(id)) return known;
    const parsed = parseEvent(content);
    const grace = typeof parsed === 'string' ? undefined : parsed.grace;
    // The time of an event without a delay only orders it.
    const due = isDelayed ? Date.parse(time) : now;
    const lapses = Math.max(due, now) + (grace ?? DEFAULT_GRACE_MS);
    const event = { name, id, to, content, due, lapses };
    this.#pending.set(id, event);
    const queue = this.events.get(to) ?? [];
    const index = queue.findLastIndex((one) => one.name < name) + 1;
    queue.splice(index, 0, event);
    const isOrdered = (queue[index + 1]?.name ?? name) >= name;
    invariant(isOrdered, 'I10: expected events in the order of their names', name);
    this.events.set(to, queue);
    return event;
  }

  /** Due events of an instance, in order. */
  due(instance: string, now: number): EventRow[] {
    return (this.events.get(instance) ?? []).filter((event) => event.due <= now);
  }

  /** Stores the final result of an event, which is then no longer pending. */
  conclude(id: string, result: EventResult): void {
    invariant(!this.results.has(id), 'I10: expected one result of an event', id);
    this.results.set(id, result);
    this.#dequeue(id);
  }

  /** Removes a pending event that a step has sent, as if it had not been. `name`: as for `post`. */
  withdraw(name: string): void {
    // Its id is its own key.
    const { key: id } = parseEventName(name)!;
    if (this.#pending.get(id)?.name !== name) return;
    this.#dequeue(id);
  }

  #dequeue(id: string): void {
    const event = this.#pending.get(id);
    if (event === undefined) return;
    this.#pending.delete(id);
    const queue = this.events.get(event.to)!;
    queue.splice(queue.indexOf(event), 1);
    if (queue.length === 0) this.events.delete(event.to);
  }

  get pendingEvents(): Iterable<EventRow> {
    return this.#pending.values();
  }
}

/** Steps that a memory engine keeps: the last ones. */
const MAX_TICKS = 10_000;

/** The last steps, numbered from 1. */
export class TickLog {
  #ticks: JournalEntry[] = [];
  /** Number of the last step that is not kept any more. */
  #dropped = 0;

  add(entries: readonly JournalEntry[]): void {
    this.#ticks.push(...entries);
    if (this.#ticks.length < 2 * MAX_TICKS) return;
    this.#dropped += this.#ticks.length - MAX_TICKS;
    this.#ticks = this.#ticks.slice(-MAX_TICKS);
  }

  /** `since`: ISO 8601. The cursor is the number of the last step that was looked at. */
  read(since: string | undefined, { after, limit }: Page): TickPage {
    const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
    const kept = Math.max(this.#dropped, this.#dropped + this.#ticks.length - MAX_TICKS);
    let number = Math.max(Number(after ?? 0) || 0, kept);
    const ticks: JournalEntry[] = [];
    for (; ticks.length < limit; number += 1) {
      const tick = this.#ticks[number - this.#dropped];
      if (tick === undefined) break;
      if (Date.parse(tick.started) + tick.duration >= from) ticks.push(tick);
    }
    return { ticks, next: String(number) };
  }
}
