/**
 * The engine contract. An engine stores instances and hands their states to workers: on a shared directory
 * (`volume/engine.ts`), or in the memory of one process (`memory.ts`).
 *
 * Every method resolves when its effect is stored, as durably as this engine stores anything. After a rejection with an error
 * other than a `UserError`, the effect may have happened or not. A method that *may be repeated* may then be called
 * again with the same arguments, and has the effect of one call. A list need not be a snapshot of one moment, unless stated.
 */
import type { Json } from '../machine/definition.ts';
import type { EventFile, EventOutcome } from '../machine/event.ts';
import type { AppliedEvent, Attempt, RejectionRecord } from '../machine/record.ts';
import type { Joins } from '../machine/state-file.ts';
import type { Session, WorkerInfo } from './session.ts';

/** For clients: the command line, programs, gateways. */
export interface ClientApi {
  /** Stored configurations of machines. */
  readonly configurations: Configurations;
  /**
   * Stores state files: `INSTANCE.state`, or a later one. Atomic for each: it is stored whole or not at all, and never replaces
   * another. Results are in the order of the argument. May be repeated: the same bytes are `there already`, done or not. Throws
   * `bad-state` with all problems of all files, before anything is stored; two files of one name are a problem. After `signal`
   * aborts it rejects with its reason, and stores nothing more; what is stored stays.
   */
  submit(states: readonly NewState[], signal?: AbortSignal): Promise<readonly SubmitResult[]>;
  /**
   * Sends events. Atomic for each; results are in the order of the argument. May be repeated: of all events with one id, for
   * any instance, one is applied or refused, and the others have no effect. The events for one instance are applied in the order
   * of the times at which they are due, in milliseconds; those of one millisecond in the order of `eventKey` of their ids. An
   * event without a delay is due when it is sent. The engine's clock gives the time of sending: for one instance it strictly
   * increases from event to event of one call, and is not earlier in a later call. Events without delays are therefore applied
   * in the order given. Throws `bad-event`, with the first problem, before anything is sent.
   */
  send(events: readonly NewEvent[]): Promise<readonly SendResult[]>;
  /** Undefined while the event is pending, or if it was never sent. A result never changes. Only reads. */
  eventResult(id: string): Promise<EventResult | undefined>;
  /** The last step of an instance: its present state. Undefined if there is no such instance. */
  get(instance: string): Promise<InstanceStep | undefined>;
  /** The consecutive steps of an instance, from `INSTANCE.state` on; none if there is no such instance. */
  history(instance: string): Promise<InstanceStep[]>;
  /**
   * A page of the instances that match, in the order of their names' bytes. An instance that matches while all pages are read
   * is on exactly one of them. An instance that is submitted or changes meanwhile is on one page at most. Throws `bad-page`.
   */
  list(filter: InstanceFilter, page: Page): Promise<InstancePage>;
  /** Counts instances. Each count is of one moment, but not all counts are of the same moment. */
  counts(): Promise<Counts>;
  /** Sessions that have joined and not left, in the order of their names. A session that has expired may still be among them. */
  workers(): Promise<readonly WorkerView[]>;
  /**
   * A page of the steps that workers have settled, nearly in the order of their ends. `since` leaves out steps that ended
   * before; it is ISO 8601, the store's time. An engine may keep the last steps only. A page that is read again with the same
   * `after` has the same entries, as far as they are kept, and those that have come since, up to its limit. Throws `bad-page`.
   */
  ticks(since: string | undefined, page: Page): Promise<TickPage>;
  /**
   * Makes failed states available again, without their attempts. Results are in the order of the argument: false for a state
   * that has not failed. Atomic for each. May be repeated; a repetition may also forget an attempt that was made in between.
   */
  retry(states: readonly string[]): Promise<readonly boolean[]>;
  /** No session takes anything until `resume`. May be repeated. `by`: the user that has asked for it, to be shown. */
  pause(by: string): Promise<void>;
  /** False if it was not paused. May be repeated. */
  resume(): Promise<boolean>;
  /**
   * Undoes steps, so that they run again. Throws `workers-alive` while a session might run what is to be undone, and
   * `not-reset` for a state that cannot be reset on its own, before anything is changed. Not atomic: after an error or `signal`,
   * what is left is a run that can go on, or be reset again.
   */
  reset(what: ResetFilter, signal?: AbortSignal): Promise<ResetResult>;
  /**
   * Hints that something may have changed, from the first `next()` on. A hint may be lost, and may come without a change: look
   * at times without one, too. Ends when `signal` aborts, or the engine is closed.
   */
  watch(signal: AbortSignal): AsyncIterable<ChangeHint>;
  /** What this store, as it is set up, may lose or refuse; what is known without measuring it. */
  inspect(): Promise<readonly Caution[]>;
  /** Releases watchers, timers and connections; sessions are closed before. May be repeated. */
  close(): Promise<void>;
}

export interface Engine extends ClientApi {
  /** Unique to this store: part of every idempotency key. */
  readonly id: string;
  /**
   * An operator's step: leads an instance that no session holds from where it is, waiting, delayed or failed too, to another
   * state, as if its machine had. Nothing runs for it; the step is in its history, by a session of a worker `operator-…`.
   * Atomic, as a commit is: a session that takes the instance at the same time is first, or finds the step made. May be
   * repeated: the instance is `there already`. Repeated after its state has run, it places again. Throws `bad-state`, before
   * anything changes, if the state and payload would not be a state file, and `unreadable` for a present state file that does
   * not parse. After any other error a failed instance may be left available.
   */
  place(instance: string, to: NewPlace): Promise<PlaceResult>;
  /** Opens a session. Throws a `UserError` for what a user must change; `name-in-use` may come from its `take` as well. */
  join(worker: WorkerInfo): Promise<Session>;
}

export interface ConfigurationName {
  readonly name: string;
  readonly version: string;
}

/** `stored`: by this call, or by another with the same text at the same time. */
export type PutResult =
  | { readonly kind: 'stored' | 'there already' }
  /** The stored configuration has another meaning, and stays. `differing`: a line for each difference. */
  | { readonly kind: 'differs'; readonly differing: readonly string[] };

/** Configurations of machines: each name and version is stored once, and never changed. */
export interface Configurations {
  /**
   * Atomic: of concurrent texts exactly one is stored. May be repeated. Texts that differ only in layout are the same.
   * Throws `bad-configuration-name`.
   */
  put(key: ConfigurationName, text: string): Promise<PutResult>;
  /** The exact text that was put; undefined if there is none. */
  get(key: ConfigurationName): Promise<string | undefined>;
  /** In no order. */
  list(): Promise<ConfigurationName[]>;
}

/** A state file to submit. The engine does not keep `bytes`. */
export interface NewState {
  /** `INSTANCE.state`, or `INSTANCE.state-N`. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * `name taken`: other bytes are stored under this name, and stay. An engine may also refuse the state of an instance that has
 * not come to it yet: a database keeps one present state of each instance.
 */
export type SubmitResult = 'submitted' | 'there already' | 'name taken';

/** Of a state file, or of an instance's last one. `archived`: done, and moved out of the way. */
export type InstanceStatus =
  'done' | 'archived' | 'failed' | 'in progress' | 'waiting' | 'available';

/** One state file of an instance, with its progress or result. */
export interface InstanceStep {
  /** The state file's name. */
  readonly name: string;
  readonly flag: InstanceStatus;
  /** NAME or NAME:VERSION, where the state file says so; else its state names the machine. */
  readonly machine: string | undefined;
  /** Undefined if the file does not parse. */
  readonly state: string | undefined;
  readonly payload: Json | undefined;
  /** The hook whose activity this step runs; undefined in a step of the state itself. */
  readonly hook: string | undefined;
  readonly worker: string | undefined;
  /** ISO 8601. */
  readonly started: string | undefined;
  /** Milliseconds. */
  readonly duration: number | undefined;
  readonly attempts: readonly Attempt[];
  /** The events that were applied in this state, in order, with their outcomes. */
  readonly events: readonly AppliedEvent[];
  readonly output: Json | undefined;
  /** The reason of a failure. */
  readonly reason: string | undefined;
  /** Branches that must end, or have ended, before it runs. */
  readonly join: Joins | undefined;
}

/** An event to send. */
export interface NewEvent {
  /** The instance. */
  readonly to: string;
  /** The idempotency key, of all instances together: any text of 1 to 200 characters (code points) without NUL. */
  readonly id: string;
  /** `delay`: milliseconds until it is due. `grace`: milliseconds that it then waits for its instance; default 10,000. */
  readonly file: Omit<EventFile, 'id'>;
}

/** `over`: an event with this id already has a result; nothing is sent again. */
export type SendResult = { readonly kind: 'sent'; readonly name: string } | EventResult;

/** The final result of an event: applied in `state`, or rejected. */
export interface EventResult {
  readonly kind: 'over';
  readonly outcome: AppliedEvent | RejectionRecord;
  readonly state?: string;
}

/** What may have changed. */
export interface ChangeHint {
  /** Undefined: anything. */
  readonly instance?: string;
}

/** Something that a user should know of a store before relying on it. */
export interface Caution {
  /** Stable: programs may compare it. */
  readonly code: 'in-memory' | 'unsynced' | 'file-system' | 'world-writable' | 'short-phases';
  /** Sentences: what may happen, and what to do. */
  readonly message: string;
}

/** What to undo: steps by name, or all states with one of these statuses. */
export type ResetFilter =
  /** Done state files, each with all that followed from it. */
  | { readonly states: readonly string[] }
  /** `done`: archived ones, too. `in progress`: holds of sessions that are gone. */
  | { readonly statuses: readonly ('done' | 'failed' | 'in progress')[] };

/** Names of state files. */
export interface ResetResult {
  /** Undone; the first steps among them run again, and the others are gone. */
  readonly done: readonly string[];
  /** Those of them that were archived. */
  readonly archived: readonly string[];
  /** Available again, without their attempts. */
  readonly failed: readonly string[];
  /** Given back. */
  readonly inProgress: readonly string[];
}

/** Where to put an instance. */
export interface NewPlace {
  /** A state of its machine; whether the machine has it, only workers know. */
  readonly state: string;
  /** Default: as it is. */
  readonly payload?: Json;
}

/**
 * `name`: the new state file; of `there already`, the present one, which has this state and payload. `held`: by a session, or
 * one was first. `ended`: nothing follows its last step. `missing`: there is no such instance.
 */
export type PlaceResult =
  | { readonly kind: 'placed' | 'there already'; readonly name: string }
  | { readonly kind: 'held' | 'ended' | 'missing' };

/** Which instances: those to which all that is given applies. */
export interface InstanceFilter {
  /** Undefined: any but `archived`. */
  readonly status?: InstanceStatus;
  /** NAME: any version; NAME:VERSION. */
  readonly machine?: string;
  readonly state?: string;
  /** The beginning of the instance's name. */
  readonly prefix?: string;
}

/** A part of a list. */
export interface Page {
  /** `next` of the page before; undefined: the first page. Of a list of instances, any name will do. */
  readonly after?: string;
  /** Entries at most; positive. */
  readonly limit: number;
}

/** A page of instances. */
export interface InstancePage {
  /** May be fewer than the limit, also none, before the last page: an engine bounds what it reads for one. */
  readonly instances: readonly ListedInstance[];
  /** Where the next page begins; undefined after the last one. */
  readonly next?: string;
}

/** An instance, as of its last state file. */
export interface ListedInstance {
  readonly instance: string;
  /** The state file's name. */
  readonly name: string;
  readonly status: InstanceStatus;
  /** NAME or NAME:VERSION: where the state file names none, its state does. Undefined if the file is gone, or does not parse. */
  readonly machine: string | undefined;
  readonly state: string | undefined;
  /** ISO 8601, the store's time: when the state was entered. */
  readonly since: string | undefined;
}

export interface Counts {
  /** Instances by status. Exact, but for what `isSampled` says. */
  readonly statuses: Readonly<Record<InstanceStatus, number>>;
  /** Instances by machine (NAME or NAME:VERSION), state and status, in no order; without archived ones. */
  readonly places: readonly PlaceCount[];
  /** `places`, and the number of archived instances, are estimates from some of the instances. */
  readonly isSampled: boolean;
}

export interface PlaceCount {
  /** Undefined, and so is `state`: instances whose last state file cannot be read. */
  readonly machine: string | undefined;
  readonly state: string | undefined;
  readonly status: InstanceStatus;
  readonly count: number;
}

/** A session, as others see it. */
export interface WorkerView {
  /** The worker's name. */
  readonly worker: string;
  /** `NAME.BOOT`. */
  readonly session: string;
  /** False: it has expired, and what it holds is handed out to others. */
  readonly isAlive: boolean;
  /** Milliseconds since its last sign of life; undefined if that is not known any more. */
  readonly silentMs: number | undefined;
  /** Ticks at a time. */
  readonly concurrency: number;
  /** NAME, or NAME:VERSION; see `KnownMachines`. */
  readonly machines: readonly string[];
  readonly holds: readonly HoldView[];
}

/** A state that a session holds. What is undefined its worker has not reported yet. */
export interface HoldView {
  /** The state file's name. */
  readonly name: string;
  /** The machine that decides, NAME or NAME:VERSION. */
  readonly machine: string | undefined;
  /** ISO 8601, the store's time. */
  readonly since: string | undefined;
  readonly attempt: number | undefined;
}

export interface TickPage {
  readonly ticks: readonly JournalEntry[];
  /**
   * Where the next page begins: opaque. There always is one; it also goes on after the last entry, with those that come
   * later. A page without entries: there are no more at present.
   */
  readonly next: string;
}

/** What an event did, in short; the commit record is complete. */
export interface JournalEvent {
  readonly event: string;
  readonly outcome: EventOutcome;
  readonly from: string;
  /** Undefined if it was refused. */
  readonly to?: string;
}

/** A tick, or a step that was decided without one. */
export interface JournalEntry {
  /** ISO 8601, the store's time. */
  readonly started: string;
  /** Milliseconds. */
  readonly duration: number;
  readonly state: string;
  readonly machine: string;
  readonly worker: string;
  readonly session: string;
  /** 0 for a step that events or timers decided, without a tick. */
  readonly attempt: number;
  /** The first events that such a step applied; empty if it only set timers. */
  readonly events?: readonly JournalEvent[];
  /** `lost`: ticked, but another session's commit counts. */
  readonly result: 'done' | 'failed' | 'retry' | 'lost' | 'released';
}
