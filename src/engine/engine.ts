/**
 * The engine contract: what stores instances and hands them to workers. A shared directory is one (`volume/engine.ts`),
 * one process's memory another (`memory.ts`).
 *
 * Of every method: it resolves when its effect is kept, as safely as this engine keeps anything. A rejection that is not a
 * `UserError` says nothing about whether the effect happened. What *may be repeated* may then be called again as it was, and
 * has the same effect as one call. Nothing that is listed has to be of one moment, unless it says so.
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
   * Puts a state file there: `INSTANCE.state`, or a later one. Atomic: it is there whole, or not at all, and never
   * instead of another. May be repeated: the same bytes are `there already`, done or not. Throws `bad-state`, with all
   * that is wrong with it.
   */
  submit(name: string, bytes: Uint8Array): Promise<Submitted>;
  /**
   * Puts an event on its way. Atomic. May be repeated: of all that have one id, for any instance, one is applied
   * or refused, and the others have no effect. Events for one instance are applied in the order of the times at
   * which they are due (of when they were sent, without a delay), to the millisecond; those of one millisecond in that
   * of their ids. Times are the engine's, not the sender's. Throws `bad-event`.
   */
  send(message: Message): Promise<Sent>;
  /** Undefined while the event is pending, or was never sent. Once told, it never changes. Read only: sends nothing. */
  eventResult(id: string): Promise<Over | undefined>;
  /** The last of an instance's steps: where it is now. Undefined where there is none. */
  get(instance: string): Promise<ChainStep | undefined>;
  /** All steps of an instance that follow each other from `INSTANCE.state` on; none where there is no such instance. */
  history(instance: string): Promise<ChainStep[]>;
  /** Each instance that has a state file, once, in no order. */
  instances(): Promise<string[]>;
  /** State files that have failed, in no order. */
  failed(): Promise<string[]>;
  /**
   * Makes what has failed available again; its attempts are forgotten. False if it has not failed. May be repeated. While
   * it is called again and again, an attempt may be forgotten that was made in between.
   */
  retry(state: string): Promise<boolean>;
  /** No session claims anything until `resume`. May be repeated. `by`: who has asked for it, for people. */
  pause(by: string): Promise<void>;
  /** False if it was not paused. May be repeated. */
  resume(): Promise<boolean>;
}

export interface Engine extends ClientApi {
  /** Of this store, and no other: part of every idempotency key. */
  readonly id: string;
  /** Opens a session. Throws a `UserError` for what a user must change; `name-in-use` may come from its `take` as well. */
  join(worker: WorkerInfo): Promise<Session>;
}

export interface ConfigurationName {
  readonly name: string;
  readonly version: string;
}

/** `stored`: by this call, or by another with the same text at the same time. */
export type Put =
  | { readonly kind: 'stored' | 'there already' }
  /** What is stored means something else; a line for each place in which they differ. It stays as it is. */
  | { readonly kind: 'differs'; readonly differing: readonly string[] };

/** Configurations of machines: each name and version once, whole, and never changed. */
export interface Configurations {
  /**
   * Atomic: of several texts at once exactly one is kept. May be repeated. Texts that differ only in layout are the
   * same. Throws `bad-configuration-name`.
   */
  put(key: ConfigurationName, text: string): Promise<Put>;
  /** To the byte as it was put; undefined for what is not there. */
  get(key: ConfigurationName): Promise<string | undefined>;
  /** In no order. */
  list(): Promise<ConfigurationName[]>;
}

export type Submitted = 'submitted' | 'there already' | 'name taken';

/** One state file of an instance, and what has become of it. */
export interface ChainStep {
  /** The state file's name. */
  readonly name: string;
  /** `archived`: done, and moved out of the way. */
  readonly flag: 'done' | 'archived' | 'failed' | 'in progress' | 'waiting' | 'available';
  /** NAME or NAME:VERSION, where the state file says so; else its state names the machine. */
  readonly machine: string | undefined;
  /** Undefined for what does not parse. */
  readonly state: string | undefined;
  readonly payload: Json | undefined;
  readonly worker: string | undefined;
  /** ISO 8601. */
  readonly started: string | undefined;
  /** Milliseconds. */
  readonly duration: number | undefined;
  readonly attempts: readonly Attempt[];
  /** What became of the events that were applied there, in that order. */
  readonly events: readonly AppliedEvent[];
  readonly output: Json | undefined;
  /** Why it has failed. */
  readonly reason: string | undefined;
  /** Branches that have to end, or have ended, before it runs. */
  readonly join: Joins | undefined;
}

export interface Message {
  /** The instance. */
  readonly to: string;
  /** The idempotency key, of all instances together. */
  readonly id: string;
  /** `delay`: milliseconds until it is due. `grace`: that it then waits for its instance; 10 s without it. */
  readonly file: EventFile;
}

/** `over`: one with this id was sent before, and this is what became of it; nothing is sent again. */
export type Sent = { readonly kind: 'sent'; readonly name: string } | Over;

/** Of an event, for good: applied in `state`, or to none. */
export interface Over {
  readonly kind: 'over';
  readonly outcome: AppliedEvent | RejectionRecord;
  readonly state?: string;
}
