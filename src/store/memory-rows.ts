/**
 * What a store in memory holds. Every method here runs to its end before anybody else comes: that is all that makes
 * its operations atomic.
 */
import { parseEvent, parseEventName } from '../machine/event.ts';
import { parseStateName, stateName } from '../machine/name.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import type { JournalEntry, Token } from '../volume/operations.ts';
import type { Over } from '../engine/engine.ts';

/** A session, as the others know it. */
export interface Participant {
  token: Token;
  readonly claims: Set<Row>;
  /** On the vigil's clock: when it was heard of last; and how often it was. */
  heard: number;
  calls: number;
  /** It was taken for dead, or has left. */
  isOver: boolean;
}

/** A state file, and what has become of it. */
export interface Row {
  readonly name: string;
  readonly instance: string;
  readonly bytes: Uint8Array;
  claim: Participant | undefined;
  /** Its one commit; without a record where it has left nothing behind. */
  done: { readonly token: Token; readonly record: CommitRecord | undefined } | undefined;
  failure: FailureRecord | undefined;
  isWaiting: boolean;
  attempts: readonly Attempt[];
  /** On the monotonic clock: when the last attempt was counted. */
  tried: number;
  notBefore: string | undefined;
  readonly refusedBy: Set<string>;
  /** What its worker noted last. */
  entry: JournalEntry | undefined;
}

/** An event on its way. */
export interface Posted {
  /** The name that its file would have: it orders them. */
  readonly name: string;
  readonly id: string;
  readonly to: string;
  readonly content: string;
  /** Milliseconds since the epoch; undefined for one that is not delayed. */
  readonly due: number | undefined;
  /** Milliseconds. */
  readonly delay: number;
  readonly grace: number | undefined;
  /** On the monotonic clock. */
  readonly arrived: number;
}

export class Rows {
  readonly #monotonic: () => number;
  readonly #cycle: number;
  readonly states: Map<string, Row> = new Map();
  /** Neither done nor failed. */
  readonly open: Set<Row> = new Set();
  /** Of each instance: state files that follow each other from the first one on. */
  readonly #lengths = new Map<string, number>();
  /** By instance, in their order. */
  readonly events: Map<string, Posted[]> = new Map();
  readonly #pending = new Map<string, Posted>();
  readonly over: Map<string, Over> = new Map();
  readonly participants: Map<string, Participant> = new Map();
  /** Sessions that are available, by their workers' names. */
  readonly roster: Map<string, Participant> = new Map();

  /** `cycle`: milliseconds. */
  constructor(monotonic: () => number, cycle: number) {
    this.#monotonic = monotonic;
    this.#cycle = cycle;
  }

  /** Undefined if there is one of that name. */
  add(name: string, bytes: Uint8Array): Row | undefined {
    if (this.states.has(name)) return undefined;
    const { instance } = parseStateName(name)!;
    const row: Row = {
      name,
      instance,
      bytes,
      claim: undefined,
      done: undefined,
      failure: undefined,
      isWaiting: false,
      attempts: [],
      tried: 0,
      notBefore: undefined,
      refusedBy: new Set(),
      entry: undefined,
    };
    this.states.set(name, row);
    this.open.add(row);
    let length = this.#lengths.get(instance) ?? 0;
    while (this.states.has(stateName(instance, length))) length += 1;
    this.#lengths.set(instance, length);
    return row;
  }

  get instances(): string[] {
    return [...this.#lengths.keys()];
  }

  /** Of one instance, in their order. */
  chain(instance: string): Row[] {
    const length = this.#lengths.get(instance) ?? 0;
    return Array.from({ length }, (_, step) => this.states.get(stateName(instance, step))!);
  }

  last(instance: string): Row | undefined {
    const length = this.#lengths.get(instance) ?? 0;
    return length === 0 ? undefined : this.states.get(stateName(instance, length - 1));
  }

  /** I10: the one with this id that is on its way; not added if that is another, or one is over. */
  post(name: string, content: string): Posted | undefined {
    const { id, to, time, isDelayed } = parseEventName(name)!;
    const known = this.#pending.get(id);
    if (known !== undefined || this.over.has(id)) return known;
    const parsed = parseEvent(content);
    const { delay = 0, grace } = typeof parsed === 'string' ? {} : parsed;
    const due = isDelayed ? Date.parse(time) : undefined;
    const posted = { name, id, to, content, due, delay, grace, arrived: this.#monotonic() };
    this.#pending.set(id, posted);
    const queue = this.events.get(to) ?? [];
    const place = queue.findLastIndex((one) => one.name < name) + 1;
    queue.splice(place, 0, posted);
    this.events.set(to, queue);
    return posted;
  }

  isPending({ id }: Posted): boolean {
    return this.#pending.has(id);
  }

  /** For good: this is what has become of it. */
  conclude(id: string, over: Over): void {
    this.over.set(id, over);
    const posted = this.#pending.get(id);
    if (posted === undefined) return;
    this.#pending.delete(id);
    const queue = this.events.get(posted.to)!;
    queue.splice(queue.indexOf(posted), 1);
    if (queue.length === 0) this.events.delete(posted.to);
  }

  claim(row: Row, by: Participant): void {
    row.claim = by;
    by.claims.add(row);
  }

  release(row: Row): void {
    row.claim?.claims.delete(row);
    row.claim = undefined;
  }

  /** Counts it under the next number. */
  count(row: Row, attempt: Attempt): void {
    const number = (row.attempts.at(-1)?.attempt ?? 0) + 1;
    row.attempts = [...row.attempts, { ...attempt, attempt: number }];
    row.tried = this.#monotonic();
  }

  /** Sets a state aside. done beats failed where both exist. */
  fail(row: Row, failure: FailureRecord): void {
    row.failure = failure;
    row.attempts = [];
    this.open.delete(row);
  }

  /**
   * Is it to be tried now? By the wall clock (`wall`: milliseconds since the epoch), or a cycle later by the other: that
   * one somebody may have set.
   */
  isDue({ attempts, notBefore, tried }: Row, wall: number): boolean {
    const last = attempts.at(-1);
    const due = Date.parse(last?.notBefore ?? notBefore ?? '');
    if (!(due > wall)) return true;
    const pause = due - Date.parse(last?.ended ?? '');
    return this.#monotonic() - tried >= pause + this.#cycle;
  }

  isEventDue({ due, arrived, delay }: Posted, wall: number): boolean {
    if (due === undefined || due <= wall) return true;
    return this.#monotonic() - arrived >= delay + this.#cycle;
  }
}
