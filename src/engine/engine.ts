/**
 * The engine contract. An engine stores instances and hands their states to workers: on a shared directory
 * (`volume/engine.ts`), or in the memory of one process (`memory.ts`).
 *
 * Every method resolves when its effect is stored, as durably as this engine stores anything. After a rejection with an error
 * other than a `UserError`, the effect may have happened or not. A method that *may be repeated* may then be called
 * again with the same arguments, and has the effect of one call. A list need not be a snapshot of one moment, unless stated.
 */
import type { Json } from '../machine/definition.ts';
import type { EventFile } from '../machine/event.ts';
import type { AppliedEvent, Attempt, RejectionRecord } from '../machine/record.ts';
import type { Joins } from '../machine/state-file.ts';
import type { Session, WorkerInfo } from './session.ts';

/** For clients: the command line, programs, gateways. */
export interface ClientApi {
  /** Stored configurations of machines. */
  readonly configurations: Configurations;
  /**
   * Stores a state file: `INSTANCE.state`, or a later one. Atomic: it is stored whole or not at all, and never replaces
   * another. May be repeated: the same bytes are `there already`, done or not. Throws `bad-state`, with all problems.
   */
  submit(name: string, bytes: Uint8Array): Promise<SubmitResult>;
  /**
   * Sends an event. Atomic. May be repeated: of all events with one id, for any instance, one is applied or refused, and the
   * others have no effect. Events for one instance are applied in the order of the times at which they are due (without a
   * delay: sent), to the millisecond, then of their ids. Times are the engine's, not the sender's. Throws `bad-event`.
   */
  send(message: Message): Promise<SendResult>;
  /** Undefined while the event is pending, or if it was never sent. A result never changes. Only reads. */
  eventResult(id: string): Promise<EventResult | undefined>;
  /** The last step of an instance: its present state. Undefined if there is no such instance. */
  get(instance: string): Promise<InstanceStep | undefined>;
  /** The consecutive steps of an instance, from `INSTANCE.state` on; none if there is no such instance. */
  history(instance: string): Promise<InstanceStep[]>;
  /** Each instance that has a state file, once, in no order. */
  instances(): Promise<string[]>;
  /** State files that have failed, in no order. */
  failed(): Promise<string[]>;
  /**
   * Makes a failed state available again, without its attempts. False if it has not failed. May be repeated; a repetition
   * may also forget an attempt that was made in between.
   */
  retry(state: string): Promise<boolean>;
  /** No session takes anything until `resume`. May be repeated. `by`: the user that has asked for it, to be shown. */
  pause(by: string): Promise<void>;
  /** False if it was not paused. May be repeated. */
  resume(): Promise<boolean>;
}

export interface Engine extends ClientApi {
  /** Unique to this store: part of every idempotency key. */
  readonly id: string;
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

export type SubmitResult = 'submitted' | 'there already' | 'name taken';

/** One state file of an instance, with its progress or result. */
export interface InstanceStep {
  /** The state file's name. */
  readonly name: string;
  /** `archived`: done, and moved out of the way. */
  readonly flag: 'done' | 'archived' | 'failed' | 'in progress' | 'waiting' | 'available';
  /** NAME or NAME:VERSION, where the state file says so; else its state names the machine. */
  readonly machine: string | undefined;
  /** Undefined if the file does not parse. */
  readonly state: string | undefined;
  readonly payload: Json | undefined;
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

export interface Message {
  /** The instance. */
  readonly to: string;
  /** The idempotency key, of all instances together. */
  readonly id: string;
  /** `delay`: milliseconds until it is due. `grace`: milliseconds that it then waits for its instance; default 10,000. */
  readonly file: EventFile;
}

/** `over`: an event with this id already has a result; nothing is sent again. */
export type SendResult = { readonly kind: 'sent'; readonly name: string } | EventResult;

/** The final result of an event: applied in `state`, or rejected. */
export interface EventResult {
  readonly kind: 'over';
  readonly outcome: AppliedEvent | RejectionRecord;
  readonly state?: string;
}
