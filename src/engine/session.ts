/**
 * What an engine does for workers: `Engine.join` opens a session, `take` hands out what can be run, `settle` says what came
 * of it.
 *
 * Of every method: it resolves when its effect is kept, as safely as this engine keeps anything. A rejection that is not a
 * `UserError` says nothing about whether the effect happened. A rejection of `take` ends the session.
 */
import type { PendingEvent } from '../machine/event-batch.ts';
import type { PastStep } from '../machine/definition.ts';
import type { Attempt, CommitRecord, FailureRecord } from '../machine/record.ts';
import type { StateFile } from '../machine/state-file.ts';

/** What other sessions know a worker to have. */
export interface KnownMachines {
  /** NAME, or NAME:VERSION. `*`: it also runs commands of configurations that the engine stores. */
  readonly machines: readonly string[];
  /** Of some of these, all their states: any other state of such a machine is unknown to this worker. */
  readonly states?: Readonly<Record<string, readonly string[]>>;
}

/** A worker as it joins. The functions are asked again and again, and must answer at once. */
export interface WorkerInfo {
  readonly name: string;
  /** Ticks that it runs at a time, at most. */
  readonly concurrency: number;
  /** States that the engine may hold for it. Invariant: concurrency <= capacity. */
  readonly capacity: number;
  /** It goes on when nothing is left to do: `take` need not find out. */
  readonly stays: boolean;
  /** Instances that its machines observe. */
  readonly observes: readonly string[];
  /** The same object as long as nothing has changed. */
  machines(): KnownMachines;
  /** Ticks that it may run at a time, at present: where several engines share its slots, fewer than `concurrency`. */
  slots(): number;
  /** False: the outcome is decided at once, without a tick (events, timers, the end of an instance). */
  needsSlot(file: StateFile): boolean;
  /** Would this state file run here, or wait for events? It may have to read a stored configuration. */
  runs(file: StateFile): Promise<boolean>;
}

/** A state that one session holds, for one attempt. */
export interface Hold {
  /** The state file: INSTANCE.state, then INSTANCE.state-1, … */
  readonly name: string;
  /** The session that holds it, `NAME.BOOT`: it is in every record. */
  readonly session: string;
}

/** What is needed to decide. */
export interface Task extends Hold {
  readonly file: StateFile;
  /** Those that failed, or were lost with their worker, in order. */
  readonly attempts: readonly Attempt[];
  /**
   * Due, in the order in which they apply. Of one id the first counts: it may have been sent twice. Empty where `needsSlot`
   * says that events do not matter.
   */
  readonly events: readonly PendingEvent[];
  /** Tasks with the same number were read in the same look at the store. */
  readonly asOf: number;
  /** Aborts when the hold is lost, or has to be given back: the tick is to end. */
  readonly signal: AbortSignal;
  /**
   * The last state file of an instance as of `asOf`; undefined where there is none. Throws for one that is not in
   * `WorkerInfo.observes`.
   */
  observe(instance: string): StateFile | undefined;
  /** The steps of its instance up to this state file. */
  history(): Promise<readonly PastStep[]>;
}

/** What is to become of a held state. */
export type Outcome =
  /**
   * Without a record the step leaves nothing behind. `rests`: nothing runs where it leads, until an event comes. `readSet`:
   * instances that the decision has observed; if one has moved, the commit is `outdated`.
   */
  | {
      readonly kind: 'commit';
      readonly record: CommitRecord | undefined;
      readonly rests?: boolean;
      readonly readSet?: readonly string[];
    }
  | { readonly kind: 'fail'; readonly record: FailureRecord }
  /** Counts the attempt. `attempt.notBefore`: when the next one may begin. */
  | { readonly kind: 'retry'; readonly attempt: Attempt }
  /** This worker knows no such machine, or state. Left to a living session that may; without one, it is failed. */
  | ({ readonly kind: 'refuse' } & Refusal)
  | { readonly kind: 'defer'; readonly notBefore: string }
  /** Nothing runs there until an event comes. */
  | { readonly kind: 'wait' }
  /** Given back as it was: no attempt is counted. */
  | { readonly kind: 'release' };

export interface Refusal {
  readonly code: string;
  /** NAME, or NAME:VERSION. */
  readonly machine: string;
  /** Undefined: the machine itself is unknown. */
  readonly state?: string;
  readonly reason: string;
  /** What came of a look for a stored configuration: its reason, and whether a worker that trusts those would run it. */
  readonly stored?: { readonly reason: string | undefined; readonly needsTrust: boolean };
}

export interface Settlement {
  readonly hold: Hold;
  readonly outcome: Outcome;
  /** The machine that decided, where one did. */
  readonly machine?: string;
  /** Undefined where nothing was ticked. `started`: ISO 8601, `duration`: milliseconds. */
  readonly tick?: { readonly started: string; readonly duration: number; readonly attempt: number };
}

/**
 * `settled`: kept. `failed`: kept, and the state has failed: also where a refusal had no other worker left. `lost`: the commit of another session counts. `outdated`: what it depended on has moved; the state is
 * handed out again. `unsure`: the session has expired in between; the step may count or not.
 */
export type Settled = 'settled' | 'failed' | 'lost' | 'outdated' | 'unsure';

/** One start of one worker. Its heartbeat is the engine's own: a thread, or a connection. */
export interface Session {
  /** Ticks of other engines may use the worker's slots while this one has nothing to hand out. */
  readonly isIdle: boolean;
  /** States that this session has failed itself: their files could not be read as state files. */
  readonly unreadable: number;
  /** Calls of `settle` that may be under way at a time; what is finished meanwhile is gathered for the next one. */
  readonly concurrentSettles: number;
  /** The store's time, ISO 8601: for records and people, never for order. */
  now(): string;
  /**
   * Resolves as soon as there is something to hand out: at most `limit` tasks that need a slot, and any number of others.
   * Without anything it waits, until `signal` aborts (then it resolves to none), or until nothing is left.
   *
   * `drained`: nothing is ready, held by any session, delayed, due, or half-committed. What waits for events does not
   * count. Where caches may be stale, it has held for a lease.
   */
  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'>;
  /** In the order of its argument. May be repeated: exactly one commit of a step counts. */
  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]>;
  /**
   * The worker promises an outcome by then (monotonic, ms), and an infinite time takes that back. Past it, the engine lets
   * its holds expire: a tick that hangs holds nothing for good.
   */
  setDeadline(hold: Hold, at: number): void;
  /**
   * Takes nothing more, and gives back what was not handed out, without counting an attempt. Resolves when all that was
   * handed out is settled: tasks that take longer than `drainMs` are aborted by their signals. May be repeated.
   */
  close(drainMs: number): Promise<void>;
}
