/**
 * What a memory engine stores: state files, events and their results. Every method runs to its end before any other call:
 * that is all that makes its operations atomic.
 */
import { parseEvent, parseEventName } from '../machine/event.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import { parseStateFile, type StateFile } from '../machine/state-file.ts';
import { DEFAULT_GRACE_MS } from '../machine/unroutable.ts';
import type { Over } from './engine.ts';
import type { Hold } from './session.ts';

/** A state file, and what has become of it. */
export interface StateRow {
  readonly name: string;
  readonly instance: string;
  readonly bytes: Uint8Array;
  readonly file: StateFile;
  holder: Hold | undefined;
  /** Its one commit; without a record where it has left nothing behind. */
  done: { readonly worker: string; readonly record: CommitRecord | undefined } | undefined;
  failure: FailureRecord | undefined;
  isWaiting: boolean;
  attempts: readonly Attempt[];
  /** ISO 8601: of the next attempt. */
  notBefore: string | undefined;
  /** Sessions that do not know its machine, or its state. */
  readonly refusedBy: Set<string>;
  /** Of the last tick. */
  tick: { readonly started: string; readonly duration: number } | undefined;
}

/** An event on its way. Times are milliseconds since the epoch. */
export interface EventRow {
  /** The name that its file would have: it orders them. */
  readonly name: string;
  readonly id: string;
  readonly to: string;
  readonly content: string;
  readonly due: number;
  /** When it has waited long enough for an instance that does not exist. */
  readonly lapses: number;
}

/** `wake`: when something is due that is not due now (milliseconds since the epoch), infinite if nothing is. */
export interface Ready {
  readonly rows: readonly StateRow[];
  readonly delayed: number;
  readonly wake: number;
}

export class MemoryRows {
  readonly states: Map<string, StateRow> = new Map();
  /** Neither done nor failed, by priority and then by age. */
  readonly #open = new Map<number, Set<StateRow>>();
  /** Of each instance: state files that follow each other from the first one on. */
  readonly #lengths = new Map<string, number>();
  /** Pending events by instance, in their order. */
  readonly events: Map<string, EventRow[]> = new Map();
  readonly #pending = new Map<string, EventRow>();
  readonly results: Map<string, Over> = new Map();

  /** Undefined if there is one of that name. Throws for bytes that are not a state file. */
  add(name: string, bytes: Uint8Array): StateRow | undefined {
    if (this.states.has(name)) return undefined;
    const parsed = parseStateFile(bytes);
    if (!parsed.ok) throw new Error(`${name}: ${parsed.reason}`);
    const { instance } = parseStateName(name)!;
    const row: StateRow = {
      name,
      instance,
      bytes,
      file: parsed.file,
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

  /** It is to be run, again. */
  open(row: StateRow): void {
    const priority = row.file.priority ?? 0;
    const rows = this.#open.get(priority) ?? new Set();
    this.#open.set(priority, rows.add(row));
  }

  /** It is done, or has failed. */
  close(row: StateRow): void {
    this.#open.get(row.file.priority ?? 0)?.delete(row);
    row.attempts = [];
  }

  isOpen(row: StateRow): boolean {
    return this.#open.get(row.file.priority ?? 0)?.has(row) === true;
  }

  get instances(): string[] {
    return [...this.#lengths.keys()];
  }

  /** Of one instance, in their order. */
  chain(instance: string): StateRow[] {
    const length = this.#lengths.get(instance) ?? 0;
    return Array.from({ length }, (_, step) => this.states.get(stateName(instance, step))!);
  }

  last(instance: string): StateRow | undefined {
    return this.chain(instance).at(-1);
  }

  /** What may be handed out now, the higher priority first; `now`: milliseconds since the epoch. */
  ready(now: number): Ready {
    const rows: StateRow[] = [];
    let [delayed, wake] = [0, Number.POSITIVE_INFINITY];
    const later = (due: number): void => {
      delayed += 1;
      wake = Math.min(wake, due);
    };
    const due = new Set<string>();
    for (const [instance, queue] of this.events) {
      for (const event of queue) {
        if (event.due <= now) due.add(instance);
        else later(event.due);
      }
    }
    const priorities = [...this.#open.keys()].toSorted((a, b) => b - a);
    for (const row of priorities.flatMap((priority) => [...this.#open.get(priority)!])) {
      if (row.holder !== undefined || (row.isWaiting && !due.has(row.instance))) continue;
      const at = Date.parse(row.notBefore ?? '');
      if (at > now) later(at);
      else rows.push(row);
    }
    return { rows, delayed, wake };
  }

  /** I10: the pending event with this id; not added if there is one, or it has a result. */
  post(name: string, content: string, now: number): EventRow | undefined {
    const { id, to, time } = parseEventName(name)!;
    const known = this.#pending.get(id);
    if (known !== undefined || this.results.has(id)) return known;
    const parsed = parseEvent(content);
    const grace = typeof parsed === 'string' ? undefined : parsed.grace;
    const due = Math.max(Date.parse(time), 0);
    const lapses = Math.max(due, now) + (grace ?? DEFAULT_GRACE_MS);
    const event = { name, id, to, content, due, lapses };
    this.#pending.set(id, event);
    const queue = this.events.get(to) ?? [];
    queue.splice(queue.findLastIndex((one) => one.name < name) + 1, 0, event);
    this.events.set(to, queue);
    return event;
  }

  /** Due events of an instance, in order. */
  due(instance: string, now: number): EventRow[] {
    return (this.events.get(instance) ?? []).filter((event) => event.due <= now);
  }

  /** The event is no longer pending: this is what has become of it, for good. */
  conclude(id: string, result: Over): void {
    this.results.set(id, result);
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
