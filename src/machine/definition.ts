/**
 * What a machine is, as a user writes it: `export default machine({ name, activities })`, or with a table of
 * where events lead, or with both.
 *
 * A state with an activity is runnable: a worker ticks it. An activity is either a function (a tick)
 * or a command line; both may carry a timeout and a retry policy of their own.
 */
import type { Answer } from './answer.ts';
import type { Decide, EventRequest, Rules, Transition } from './decide.ts';
import type { AppliedEvent } from './record.ts';
import type { InstanceSnapshot, Table } from './table.ts';

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One step of an instance, as it was. */
export interface PastStep {
  /** The state file's name. */
  readonly name: string;
  readonly state: string;
  readonly payload: any; // eslint-disable-line -- the user's own shape
  /** Of events that were applied there, in their order. */
  readonly events: readonly AppliedEvent[];
  /** Attempts that failed, or whose worker was lost. */
  readonly attempts: number;
  /** ISO 8601: when it ended; undefined for the one that is being ticked. */
  readonly finished: string | undefined;
}

/** What one tick gets to see. */
/** `State`: those of its machine, where they are known. */
export interface TickContext<State extends string = string> {
  readonly instance: string;
  readonly state: State;
  readonly payload: any; // eslint-disable-line -- the user's own shape: validated by the user's machine
  /** Where branches have been joined: what each has ended with, by its name; null where it said nothing. */
  readonly outputs: Readonly<Record<string, any>>; // eslint-disable-line -- the user's own shapes
  /** 1 for the first attempt at this step. */
  readonly attempt: number;
  /** The same for every attempt at this step, on every worker: makes outside effects idempotent. */
  readonly idempotencyKey: string;
  /** The instance's steps so far, the first one first, this one last: read from the volume. */
  readonly history: () => Promise<readonly PastStep[]>;
  /**
   * Where another instance was when the cycle began in which this tick did; undefined if there is none. Throws for one
   * that the machine does not name in its `sensors`.
   */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
  /** Aborts at the timeout and when the worker has to let go; a tick that waits should listen. */
  readonly signal: AbortSignal;
  /** Data: one line on the worker's standard output. */
  readonly print: (line: string) => void;
  /** Diagnostics: one line in the worker's log. */
  readonly log: (message: string, facts?: Record<string, unknown>) => void;
  /** Waits `ms`; rejects when `signal` aborts. The shipped examples pause with it (`--example-delay`). */
  readonly pause: (ms: number) => Promise<void>;
}

export type Tick<State extends string = string> = (
  context: TickContext<State>,
) => Answer<State> | Promise<Answer<State>>;

/** Names as in Temporal and Amazon States Language. Durations in milliseconds or as `"1.5s"`. */
export interface RetryOptions {
  /** Attempts in all, the first included; one whose worker was lost counts. Default 5. */
  maximumAttempts?: number;
  /** Pause before the second attempt. Default 1s. */
  initialInterval?: number | string;
  /** Each further pause is this much longer. Default 2. */
  backoffCoefficient?: number;
  /** No pause is longer. Default 60s. */
  maximumInterval?: number | string;
  /** Commands only: exit statuses after which the state is put aside at once. 126 and 127 always are. */
  nonRetryableExitStatuses?: readonly number[];
}

export interface ActivityOptions {
  /** A tick that takes longer is aborted and counts as a failed attempt. Default 5m. */
  timeout?: number | string;
  retry?: RetryOptions;
}

export interface TickActivity<State extends string = string> extends ActivityOptions {
  tick: Tick<State>;
}

export type CommandOutput = 'json' | 'text' | 'none';

export interface CommandActivity extends ActivityOptions {
  /** A command line for `/bin/sh -c`: the state's JSON on stdin, the answer's JSON on stdout. */
  run: string;
  /** The state to go on to when the command prints nothing; without it the instance is then done. */
  next?: string;
  /** What its standard output is: an answer (`json`, the default), the output as `text`, or of no interest (`none`). */
  output?: CommandOutput;
  env?: Record<string, string>;
  /** Working directory; relative to the configuration file's folder. Default: that folder. */
  cwd?: string;
}

export type Activity<State extends string = string> =
  Tick<State> | TickActivity<State> | CommandActivity;

/** Of a machine whose states are those that have activities. */
export interface MachineOptions<Name extends string = string, State extends string = string> {
  name: Name;
  version?: string;
  /** Where an instance starts. Default: the first state that has an activity. */
  initial?: string;
  /** Instances that ticks look at. */
  sensors?: readonly string[];
  activities: Record<State, Activity<NoInfer<State | Name>>>;
  /** With a table it is the other kind of machine. */
  table?: never;
}

/**
 * Of a machine that events move. `states` and `events` say which there are, and the types of everything else
 * follow from them: a pair without a cell does not compile.
 */
export interface TableOptions<
  State extends string = string,
  Event extends string = string,
  Name extends string = string,
> {
  name: Name;
  version?: string;
  states: readonly State[];
  events: readonly Event[];
  /** Where an instance starts. */
  initial: NoInfer<State>;
  table: Table<NoInfer<State>, NoInfer<Event>>;
  /** What an instance works toward from an event on: kept as `payload.goal`. */
  goals?: Readonly<Partial<Record<NoInfer<Event>, string>>>;
  /** Instances that choices, hooks and ticks look at. */
  sensors?: readonly string[];
  /** State → duration → event: sent to the instance itself unless it has left the state by then. */
  after?: Readonly<Partial<Record<NoInfer<State>, Readonly<Record<string, NoInfer<Event>>>>>>;
  hooks?: Hooks<NoInfer<State>, NoInfer<Event>>;
  activities?: Readonly<Partial<Record<NoInfer<State>, Activity<NoInfer<State | Name>>>>>;
}

/**
 * What else has a say when an instance moves, or has to know. Functions, which a configuration cannot have: so
 * they are by themselves, and `after` alone means the same in a module and in a configuration.
 */
export interface Hooks<State extends string = string, Event extends string = string> {
  /** Answers why the transition must not be; undefined lets it pass. */
  before?: (transition: Transition<State, Event>) => string | undefined;
  /** Answers which events it causes. */
  after?: (transition: Transition<State, Event>) => readonly EventRequest[];
}

/** Resolved durations are milliseconds. */
export interface RetryPolicy {
  readonly maximumAttempts: number;
  readonly initialInterval: number;
  readonly backoffCoefficient: number;
  readonly maximumInterval: number;
  readonly nonRetryableExitStatuses?: readonly number[];
}

/** An activity with every default filled in. */
export type RunnableActivity = { readonly timeout: number; readonly retry: RetryPolicy } & (
  | { readonly kind: 'tick'; readonly tick: Tick }
  | {
      readonly kind: 'command';
      readonly run: string;
      readonly next: string | undefined;
      readonly output: CommandOutput;
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
    }
);

/** What becomes of an instance there: ticked, moved by an event only, or neither. */
export type StateKind = 'runnable' | 'waiting' | 'terminal';

/** What becomes of an instance that is there, by the machine's own name of the state. */
export type StateLookup =
  | { readonly kind: 'runnable'; readonly state: string; readonly activity: RunnableActivity }
  | { readonly kind: 'waiting' | 'terminal'; readonly state: string }
  | {
      readonly kind: 'not-found';
      readonly code: 'unknown-state' | 'other-definition';
      readonly reason: string;
    };

export interface Timer {
  /** Milliseconds, at least 1. */
  readonly after: number;
  readonly event: string;
}

/** A machine as the worker uses it. Made by `machine()`, `fromXState()` or from a configuration, never by hand. */
export interface Machine {
  readonly name: string;
  readonly version: string | undefined;
  readonly initial: string;
  readonly activities: ReadonlyMap<string, RunnableActivity>;
  /** Every state that is known, as the user ordered them. Without a table: those with an activity; none of XState's. */
  readonly kinds: ReadonlyMap<string, StateKind>;
  /** As the user ordered them; none without a table. */
  readonly events: readonly string[];
  /** Where events lead; undefined without a table. */
  readonly rules: Rules | undefined;
  /** Instances that its choices, hooks and ticks may look at. */
  readonly sensors: readonly string[];
  /** Of each state that has any, the soonest first. */
  readonly timers: ReadonlyMap<string, readonly Timer[]>;
  readonly lookup: (at: InstanceSnapshot) => StateLookup;
  /** Asked only where an instance waits. */
  readonly decide: Decide;
}
