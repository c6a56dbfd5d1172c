/**
 * What the engine of a database (`engine.ts`) asks of it. Each method is one call, atomic, and decided by the database alone:
 * by its transactions, and its clock. Texts are stored exactly; times are milliseconds since the epoch, the database's time.
 *
 * An instance is one row, which holds its present state file. A session holds it from a `take` until a `settle`, or until its
 * lease runs out; the *fence* counts the takes, so that exactly one settlement of a hold counts. `wake` is the moment from
 * which the row may be taken: now, later, when a hold expires, or never (it waits for an event, has failed, or is done).
 */
import type {
  ChangeHint,
  Caution,
  ConfigurationName,
  EventResult,
  InstanceFilter,
  InstanceStatus,
  JournalEntry,
  ListedInstance,
  Page,
  PlaceCount,
  SubmitResult,
  TickPage,
} from '../engine/engine.ts';
import type { PendingEvent } from '../machine/event-batch.ts';
import type { KnownMachines } from '../engine/session.ts';

/** The name of a state file, in its parts. */
export interface StateOf {
  readonly instance: string;
  readonly step: number;
}

/** What a session holds, and the number of the take by which. */
export interface StoredHold extends StateOf {
  readonly fence: number;
}

/** A state file, and the parts of it by which it is found and ordered. */
export interface StoredState extends StateOf {
  /** The exact text. */
  readonly body: string;
  /** NAME or NAME:VERSION. */
  readonly machine: string;
  readonly state: string;
  readonly priority: number;
  /** Earliest start; undefined: at once. */
  readonly notBefore: number | undefined;
}

interface EventOf {
  readonly id: string;
  /** The instance. */
  readonly to: string;
  readonly content: string;
  /** Milliseconds that it waits for an instance that does not exist. */
  readonly grace: number;
}

/** An event that a client sends. */
export interface StoredEvent extends EventOf {
  /** Milliseconds until it is due; undefined for one that is not delayed. */
  readonly delay: number | undefined;
  /** The key of its id, in its name. */
  readonly key: string;
}

/** An event of a step: its name, and so its due time, are part of the record. */
export interface StoredEmit extends EventOf {
  readonly name: string;
  /** Undefined if it is not delayed. */
  readonly due: number | undefined;
}

export interface TakeRequest {
  readonly session: string;
  /** Instances at most that may need a slot. 0: only such that are in no place of `slotted`. */
  readonly limit: number;
  /** Machines and states, joined by a line break, that are known to need a slot. */
  readonly slotted: readonly string[];
  readonly leaseMs: number;
  /** Instances whose present state files are read in the same moment. */
  readonly observes: readonly string[];
}

export interface TakenState extends StoredHold {
  readonly body: string;
  /** Records of attempts, a line of JSON for each. */
  readonly attempts: string;
  /** Due ones, in their order. */
  readonly events: readonly PendingEvent[];
}

export interface SeenState extends StateOf {
  readonly body: string;
}

export interface Taken {
  readonly now: number;
  readonly tasks: readonly TakenState[];
  readonly seen: readonly SeenState[];
  readonly isPaused: boolean;
  /** Nothing is ready, held, delayed or due. Known only if there are no tasks. */
  readonly isDrained: boolean;
  /** When the next row or event is due; undefined: none. Known only if there are no tasks. */
  readonly wake: number | undefined;
}

/** `leave`: left to another session, since this one has refused it. */
export type StoredKind = 'commit' | 'fail' | 'retry' | 'leave' | 'defer' | 'wait' | 'release';

export interface StoredSettlement extends StoredHold {
  readonly kind: StoredKind;
  /** `commit`: the record, if one is written. */
  readonly record?: string | undefined;
  /** `commit`: the successor; without one the instance ends. */
  readonly next?: StoredState | undefined;
  /** `commit`: the successor waits for an event. */
  readonly rests?: boolean;
  /** `commit`: events that it applies, with their outcomes (JSON). */
  readonly events?: readonly { readonly id: string; readonly outcome: string }[];
  readonly emits?: readonly StoredEmit[];
  /** First states of its branches. `taken`: the failure of another instance that has its name. */
  readonly branches?: readonly (StoredState & { readonly taken: string })[];
  /** Observed instances: the step that was seen, -1 for none. If one has moved, the commit is `outdated`. */
  readonly reads?: Readonly<Record<string, number>>;
  /** `fail`: the failure's record. `retry`: the attempt's. */
  readonly note?: string;
  /** `retry`, `defer`. */
  readonly notBefore?: number | undefined;
  /** What the journal says of it, if it counts, and if it is lost. */
  readonly entry?: JournalEntry | undefined;
  readonly lostEntry?: JournalEntry | undefined;
}

export type StoredSettled = 'settled' | 'failed' | 'lost' | 'outdated';

/** What a session tells of itself. */
export interface SessionInfo {
  readonly session: string;
  readonly worker: string;
  readonly concurrency: number;
  readonly known: KnownMachines;
  /** `HoldView`s, as JSON. */
  readonly holds: string;
}

export interface SessionRow extends SessionInfo {
  readonly isAlive: boolean;
  readonly silentMs: number;
}

/** A past or present state of an instance. */
export interface StoredStep extends StoredHold {
  readonly body: string;
  readonly status: InstanceStatus;
  /** Of its commit, or of its present hold. */
  readonly session: string | undefined;
  readonly record: string | undefined;
  readonly attempts: string;
  readonly failure: string | undefined;
}

/** Steps to undo. */
export interface Undo {
  /** Past states that are the present ones again. */
  readonly steps: readonly StoredState[];
  /** Instances that do not exist any more. */
  readonly removed: readonly string[];
  /** Ids of events that were never sent, whether they have an outcome or not. */
  readonly forgotten: readonly string[];
  /** Ids of events that were never sent, unless they have an outcome. */
  readonly withdrawn: readonly string[];
}

/** An event that no open instance waits for, and whose time is over. */
export interface StrayEvent {
  readonly id: string;
  readonly to: string;
  readonly name: string;
  /** Its instance's present state file, if there is one. */
  readonly last: string | undefined;
}

export interface Database {
  /** Unique to this store. */
  readonly id: string;
  take(request: TakeRequest): Promise<Taken>;
  /** Results are in the order of `items`. A repetition has the same results, and no other effect. */
  settle(session: string, items: readonly StoredSettlement[]): Promise<readonly StoredSettled[]>;
  /** Makes the session alive, and its holds last, for a lease from now. Resolves with the time, and the holds that are lost. */
  beat(
    info: SessionInfo,
    leaseMs: number,
    holds: readonly StoredHold[],
  ): Promise<{ readonly now: number; readonly lost: readonly string[] }>;
  /** A reply of `take` was lost: gives back what the session holds, but for the instances that it knows of. */
  reclaim(session: string, known: readonly string[], leaseMs: number): Promise<void>;
  /** The session is no more. What it has refused is handed out again. */
  leave(session: string): Promise<void>;
  /** Sessions that have joined and not left. */
  sessions(): Promise<readonly SessionRow[]>;
  /** Sessions that have refused the state. */
  refusals(instance: string): Promise<readonly string[]>;
  submit(states: readonly StoredState[]): Promise<readonly SubmitResult[]>;
  /** The names under which they are pending, or their results. */
  send(events: readonly StoredEvent[]): Promise<readonly (string | EventResult)[]>;
  eventResult(id: string): Promise<EventResult | undefined>;
  /** Events that are to be rejected now; bounded. */
  strays(): Promise<readonly StrayEvent[]>;
  /** Stores outcomes (JSON) of events that are still pending. */
  reject(outcomes: readonly { readonly id: string; readonly outcome: string }[]): Promise<void>;
  /** The present state. */
  last(instance: string): Promise<StoredStep | undefined>;
  /** All states, in order. */
  steps(instance: string): Promise<readonly StoredStep[]>;
  list(
    filter: InstanceFilter,
    page: Page,
  ): Promise<{
    readonly instances: readonly ListedInstance[];
    readonly next: string | undefined;
  }>;
  counts(): Promise<readonly PlaceCount[]>;
  ticks(since: number | undefined, page: Page): Promise<TickPage>;
  retry(states: readonly StateOf[]): Promise<readonly boolean[]>;
  /** Commits a step of an instance that no session holds. False if one does, or the instance has moved. */
  place(settlement: StoredSettlement, session: string): Promise<boolean>;
  pause(by: string): Promise<void>;
  resume(): Promise<boolean>;
  /** Changes nothing while sessions are alive, and resolves with their names; else with none. */
  undo(what: Undo): Promise<readonly string[]>;
  putConfiguration(key: ConfigurationName, text: string): Promise<boolean>;
  configuration(key: ConfigurationName): Promise<string | undefined>;
  configurations(): Promise<ConfigurationName[]>;
  /** Bounded work that keeps the store small. */
  maintain(): Promise<void>;
  /**
   * Calls `note` when something may have changed, until the function that it returns is called. `isWork`: sessions may find
   * something to do.
   */
  watch(note: (hint: ChangeHint, isWork: boolean) => void): () => void;
  inspect(): Promise<readonly Caution[]>;
  close(): Promise<void>;
}
