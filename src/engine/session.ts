/**
 * The worker's part of the engine contract: `Engine.join` opens a session, `take` hands out tasks, `settle` stores their
 * outcomes.
 *
 * Every method resolves when its effect is stored, as durably as this engine stores anything. After a rejection with an error
 * other than a `UserError`, the effect may have happened or not. A rejection of `take` ends the session.
 */
import type { PendingEvent } from '../machine/event-batch.ts';
import type { PastStep } from '../machine/definition.ts';
import type { InvariantError } from '../machine/invariant.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';

/** The machines of a worker, as announced to other sessions. */
export interface KnownMachines {
  /** NAME, or NAME:VERSION. `*`: it also runs commands of configurations that the engine stores. */
  readonly machines: readonly string[];
  /** All states of some of these machines: any other state of such a machine is unknown to this worker. */
  readonly states?: Readonly<Record<string, readonly string[]>>;
}

/** A worker, as it joins. Its functions are called repeatedly, and must be quick. */
export interface WorkerInfo {
  readonly name: string;
  /** Ticks that it runs at a time, at most. */
  readonly concurrency: number;
  /** States that the engine may hold for it. Invariant: concurrency <= capacity. */
  readonly capacity: number;
  /** The worker goes on when nothing is left to do: `take` need not detect `drained`. */
  readonly stays: boolean;
  /** Instances that its machines observe. */
  readonly observes: readonly string[];
  /** The same object as long as nothing has changed. */
  machines(): KnownMachines;
  /** Ticks that it may run at a time now: fewer than `concurrency` where several engines share its slots. */
  slots(): number;
  /** False if the outcome is decided at once, without a tick (events, timers, the end of an instance). */
  needsSlot(file: StateFile): boolean;
  /** True if this worker can run the state file, or let it wait for events. May read a stored configuration. */
  runs(file: StateFile): Promise<boolean>;
}

/** A state that one session holds, for one attempt. */
export interface Hold {
  /** The state file: INSTANCE.state, then INSTANCE.state-1, … */
  readonly name: string;
  /** The session that holds it, `NAME.BOOT`; part of every record. */
  readonly session: string;
}

/** A hold, with the inputs of its decision. */
export interface Task extends Hold {
  readonly file: StateFile;
  /** Attempts that failed, or were lost with their worker, in order. */
  readonly attempts: readonly Attempt[];
  /**
   * Events that are due, in the order in which they apply. Of several with one id (sent twice) the first counts. Empty if
   * `needsSlot` is true.
   */
  readonly events: readonly PendingEvent[];
  /** Number of the look at the store in which the task was read. */
  readonly asOf: number;
  /** Aborts when the hold is lost or must be given back: the tick must end. */
  readonly signal: AbortSignal;
  /**
   * The last state file of an instance as of `asOf`; undefined if there is none. Throws for an instance that is not in
   * `WorkerInfo.observes`.
   */
  observe(instance: string): StateFile | undefined;
  /** The steps of its instance up to this state file. */
  history(): Promise<readonly PastStep[]>;
}

/** The decision on a held state. */
export type Outcome =
  /**
   * `record: undefined`: commits without writing a record. `rests`: the successor waits for an event. `readSet`: instances
   * that the decision has observed; if one has moved, the commit is `outdated`.
   */
  | {
      readonly kind: 'commit';
      readonly record: CommitRecord | undefined;
      readonly rests?: boolean;
      readonly readSet?: readonly string[];
    }
  | { readonly kind: 'fail'; readonly record: FailureRecord }
  /** Counts the attempt. `attempt.notBefore`: earliest start of the next one. */
  | { readonly kind: 'retry'; readonly attempt: Attempt }
  /** This worker does not know the machine or state. Left to a live session that may know it; without one, failed. */
  | ({ readonly kind: 'refuse' } & Refusal)
  | { readonly kind: 'defer'; readonly notBefore: string }
  /** The state waits for an event. */
  | { readonly kind: 'wait' }
  /** Gives the state back: no attempt is counted. */
  | { readonly kind: 'release' };

export interface Refusal {
  readonly code: string;
  /** NAME, or NAME:VERSION. */
  readonly machine: string;
  /** Undefined: the machine itself is unknown. */
  readonly state?: string;
  readonly reason: string;
  /** Result of the search for a stored configuration. `needsTrust`: a worker that trusts stored ones would run it. */
  readonly stored?: { readonly reason: string | undefined; readonly needsTrust: boolean };
}

export interface Settlement {
  readonly hold: Hold;
  readonly outcome: Outcome;
  /** The machine that decided, if any. */
  readonly machine?: string;
  /** Undefined without a tick. `started`: ISO 8601, `duration`: milliseconds. */
  readonly tick?: { readonly started: string; readonly duration: number; readonly attempt: number };
}

/**
 * `settled`: stored. `failed`: stored, and the state has failed (also if a refused state has no other worker left). `lost`:
 * another session's commit counts. `outdated`: an observed instance has moved; the state is handed out again. `unsure`: the
 * session has expired meanwhile; the step may count or not.
 */
export type Settled = 'settled' | 'failed' | 'lost' | 'outdated' | 'unsure';

/** One start of one worker. The engine keeps its heartbeat: by a thread, or a connection. */
export interface Session {
  /** True if there is nothing to hand out: ticks of other engines may use the worker's slots. */
  readonly isIdle: boolean;
  /** Number of states that this session has failed because their files are not valid state files. */
  readonly unreadable: number;
  /** Calls of `settle` that may be under way at a time; further settlements are gathered for the next one. */
  readonly concurrentSettles: number;
  /** The store's time, ISO 8601: for records and display, never for order. */
  now(): string;
  /**
   * Resolves as soon as there are tasks: at most `limit` that need a slot, and any number of others. Otherwise waits until
   * `signal` aborts (then resolves to no tasks) or until the store is drained.
   *
   * `drained`: no state is ready, held by any session, delayed, due, or half-committed. States that wait for events do not
   * count. Where caches may be stale, this has been true for a lease.
   */
  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'>;
  /** Results are in the order of the argument. May be repeated: exactly one commit of a step counts. */
  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]>;
  /**
   * The worker promises an outcome by `at` (monotonic, ms); infinite: no promise. After it, the engine lets the hold expire,
   * so that a tick that hangs does not hold its state for ever.
   */
  setDeadline(hold: Hold, at: number): void;
  /**
   * Takes nothing more, and gives back states that were not handed out, without counting an attempt. Resolves when all tasks
   * that were handed out are settled; after `drainMs` their signals abort. May be repeated.
   */
  close(drainMs: number): Promise<void>;
  /**
   * Ends the session at once, for a bug of this program (`InvariantError`): nothing more is handed out or stored, the tasks'
   * signals abort, and `take`, `settle` and `close` reject with `reason`. What it holds expires. May be repeated: the first
   * reason counts. An engine that finds such a bug itself does the same.
   */
  abort(reason: InvariantError): void;
}
