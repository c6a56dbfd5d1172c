/**
 * What the rest of the house asks of whatever keeps instances: six parts. Five are for those outside (the command
 * line, gateways), the sixth is the work. A volume is one; `memory.ts` is another; docs/stores.md says how others
 * would do it, and test/store/exercise.ts what each has to pass.
 *
 * Of every method: it resolves when what it did is kept, as safely as this store keeps anything. A rejection that is no
 * `UserError` says nothing about whether it happened. What *may be repeated* may then be called again as it was, and
 * comes to the same as once. Nothing that is listed has to be of one moment, unless it says so.
 */
import type { Json } from '../machine/definition.ts';
import type { EventFile } from '../machine/event.ts';
import type { AppliedEvent, Attempt, RejectionRecord } from '../machine/record.ts';
import type { Joins } from '../machine/state-file.ts';
import type { Session } from './session.ts';

export interface Store {
  readonly configurations: Configurations;
  readonly instances: Instances;
  readonly events: Events;
  readonly outcomes: Outcomes;
  readonly history: History;
  readonly work: Work;
}

/** What those outside talk to. */
export type Front = Omit<Store, 'work'>;

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

export interface Instances {
  /**
   * Puts a state file there: `INSTANCE.state`, or a later one. Atomic: it is there whole, or not at all, and never
   * instead of another. May be repeated: the same bytes are `there already`, done or not. Throws `bad-state`, with all
   * that is wrong with it.
   */
  submit(name: string, bytes: Uint8Array): Promise<Submitted>;
  /** The last of an instance's steps: where it is now. Undefined where there is none. */
  now(instance: string): Promise<ChainStep | undefined>;
  /** Each that has a state file, once, in no order. */
  list(): Promise<string[]>;
  /** State files that were put aside, in no order. */
  failed(): Promise<string[]>;
  /**
   * Makes what has failed available again; its attempts are forgotten. False if it has not. May be repeated. While it
   * is called again and again, an attempt may be forgotten that was made in between.
   */
  retry(state: string): Promise<boolean>;
}

/** One state file of an instance, and what has become of it. */
export interface ChainStep {
  /** The state file's name. */
  readonly name: string;
  /** `archived`: done, and moved out of the way. */
  readonly flag: 'done' | 'archived' | 'failed' | 'in progress' | 'waiting' | 'available';
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

export interface Events {
  /**
   * Puts an event on its way. Atomic. May be repeated: of all that have one id, whomever they are for, one is applied
   * or refused, and the others come to nothing. Events for one instance are applied in the order of the times at
   * which they are due (of when they were sent, without a delay), to the millisecond; those of one millisecond in that
   * of their ids. Times are the store's, not the sender's. Throws `bad-event`.
   */
  send(message: Message): Promise<Sent>;
}

/** Of an event, for good: applied in `state`, or to none. */
export interface Over {
  readonly kind: 'over';
  readonly outcome: AppliedEvent | RejectionRecord;
  readonly state?: string;
}

export interface Outcomes {
  /** Undefined while nothing has become of it, or nobody has sent it. Once told, it never changes. */
  of(id: string): Promise<Over | undefined>;
}

export interface History {
  /** All steps of an instance that follow each other from `INSTANCE.state` on; none where there is no such instance. */
  steps(instance: string): Promise<ChainStep[]>;
}

/** One start of one worker, as it introduces itself. */
export interface Recruit {
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  /** Ticks at a time, and states held at most: what the split goes by. */
  readonly concurrency: number;
  readonly capacity: number;
  readonly machines: readonly string[];
  /** Instances that some of the machines look at. */
  readonly sensors: readonly string[];
}

/**
 * What a `Session` has to hold to, whatever the store:
 *
 * - `claim` is atomic: of all sessions one has a state. Whoever has lost his by the lease may still try to settle;
 *   exactly one commit of a state counts, and whoever comes second finds its step `lost`.
 * - A commit counts with all that its record says, or not at all: successor, events that it takes up, events that it
 *   causes. Not at one moment perhaps, but whoever dies in between leaves the rest to the others' `recover`.
 *   An event is taken up by one commit; a step whose event is another's is given back (`lost`), to be looked at anew.
 * - `settle` may be repeated with the same steps until each is `settled`, and with those that are. `recover` may be
 *   repeated, by any number at once.
 * - `snapshot` is as of one moment where nothing changes but in Commitment and Update System (I4); what those outside
 *   put there meanwhile is in it, or in the next one.
 * - A session that has not been heard of for a lease counts as dead to the others, and learns of it from `check`. Whoever
 *   has one calls that several times a lease: it may be all that there is to be heard.
 */
export interface Work {
  /** Of this store, and no other: part of every idempotency key. */
  readonly id: string;
  /** Throws what the store needs mending for. */
  open(recruit: Recruit): Promise<Session>;
}
