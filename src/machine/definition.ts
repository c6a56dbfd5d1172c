/**
 * Machines: the options that a user passes to `machine()`, and `Machine`, which the worker uses.
 *
 * A state with an activity is runnable: a worker ticks it. An activity is a function (a tick) or a command line; both may
 * have a timeout and a retry policy of their own. A transition table says where events lead.
 */
import type { Answer } from './answer.ts';
import type { Decide, EventRequest, HookRun, Rules, Transition } from './decide.ts';
import type { AppliedEvent } from './record.ts';
import type { InstanceSnapshot, Table } from './table.ts';

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One past step of an instance. */
export interface PastStep {
  /** The state file's name. */
  readonly name: string;
  readonly state: string;
  readonly payload: any; // eslint-disable-line -- the user's own shape
  /** The events that the step applied, in order. */
  readonly events: readonly AppliedEvent[];
  /** Number of attempts that failed or whose worker was lost. */
  readonly attempts: number;
  /** ISO 8601: when it ended; undefined for the current step. */
  readonly finished: string | undefined;
}

/** The transition after which a hook's activity runs. */
export interface PastTransition {
  readonly from: string;
  readonly event: string;
  readonly details: any; // eslint-disable-line -- the user's own shape
}

/** The argument of a tick. `State`: the states of its machine, if the compiler knows them. */
export interface TickContext<State extends string = string> {
  readonly instance: string;
  readonly state: State;
  readonly payload: any; // eslint-disable-line -- the user's own shape: validated by the user's machine
  /** In the state of a join: the output of each branch by name; null if it had none. Empty otherwise. */
  readonly outputs: Readonly<Record<string, any>>; // eslint-disable-line -- the user's own shapes
  /** Undefined in the activity of a state. */
  readonly transition: PastTransition | undefined;
  /** 1 for the first attempt at this step. */
  readonly attempt: number;
  /** The same for every attempt at this step, on every worker. Makes external effects idempotent. */
  readonly idempotencyKey: string;
  /** The instance's steps, oldest first, the current one last. Read from the volume. */
  readonly history: () => Promise<readonly PastStep[]>;
  /**
   * Another instance as of the beginning of the cycle in which this tick began; undefined if it does not exist. Throws for
   * an instance that the machine does not list in its `sensors`.
   */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
  /** Aborts at the timeout and when the worker must give up the state. Pass it to whatever the tick awaits. */
  readonly signal: AbortSignal;
  /** Prints one line of data on the worker's standard output. */
  readonly print: (line: string) => void;
  /** Writes one diagnostic line to the worker's log. */
  readonly log: (message: string, facts?: Record<string, unknown>) => void;
  /** Waits `ms`; rejects when `signal` aborts. The shipped examples pause with it (`--example-delay`). */
  readonly pause: (ms: number) => Promise<void>;
}

export type Tick<State extends string = string> = (
  context: TickContext<State>,
) => Answer<State> | Promise<Answer<State>>;

/** Names as in Temporal and Amazon States Language. Durations in milliseconds or as `"1.5s"`. */
export interface RetryOptions {
  /** Attempts including the first; one whose worker was lost counts. Default 5. */
  maximumAttempts?: number;
  /** Delay before the second attempt. Default 1s. */
  initialInterval?: number | string;
  /** Factor from each delay to the next. Default 2. */
  backoffCoefficient?: number;
  /** Upper bound of the delay. Default 60s. */
  maximumInterval?: number | string;
  /** Commands only: exit statuses that are not retried. 126 and 127 never are. */
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
  /** The state that follows if the command prints nothing; without it the instance is then done. */
  next?: string;
  /** Meaning of standard output: an answer (`json`, the default), the output as `text`, or ignored (`none`). */
  output?: CommandOutput;
  env?: Record<string, string>;
  /** Working directory; relative to the configuration file's folder. Default: that folder. */
  cwd?: string;
}

export type Activity<State extends string = string> =
  Tick<State> | TickActivity<State> | CommandActivity;

/** Options of a machine without events: its states are those with activities. */
export interface MachineOptions<Name extends string = string, State extends string = string> {
  name: Name;
  version?: string;
  /** Default: the first state that has an activity. */
  initial?: string;
  /** Instances that ticks may read. */
  sensors?: readonly string[];
  activities: Record<State, Activity<NoInfer<State | Name>>>;
  /** Only in `TableOptions`. */
  table?: never;
}

/**
 * Options of a machine with events. The types of the other options follow from `states` and `events`: a pair without a cell
 * does not compile.
 */
export interface TableOptions<
  State extends string = string,
  Event extends string = string,
  Name extends string = string,
  Run extends string = string,
> {
  name: Name;
  version?: string;
  states: readonly State[];
  events: readonly Event[];
  /** The state of a new instance. */
  initial: NoInfer<State>;
  table: Table<NoInfer<State>, NoInfer<Event>>;
  /** By event: what the instance works toward once the event is accepted. Kept as `payload.goal`. */
  goals?: Readonly<Partial<Record<NoInfer<Event>, string>>>;
  /** Instances that choices, hooks and ticks may read. */
  sensors?: readonly string[];
  /** State → duration → event: sent to the instance itself unless it has left the state by then. */
  after?: Readonly<Partial<Record<NoInfer<State>, Readonly<Record<string, NoInfer<Event>>>>>>;
  hooks?: Hooks<NoInfer<State>, NoInfer<Event>, Run>;
  activities?: Readonly<Partial<Record<NoInfer<State>, Activity<NoInfer<State | Name>>>>>;
}

/**
 * Functions that are called when an instance moves. Kept apart from `after` (timers), which a configuration can have too.
 */
export interface Hooks<
  State extends string = string,
  Event extends string = string,
  Run extends string = string,
> {
  /** Returns the reason for a veto; undefined lets the transition pass. */
  before?: (transition: Transition<State, Event>) => string | undefined;
  /**
   * Returns the events to send, in the commit of the transition, and at most one activity (`{ run }`), which runs after it:
   * the instance is in its new state, and takes no event until the activity has ended.
   */
  after?: (transition: Transition<State, Event>) => readonly (EventRequest | HookRun<Run>)[];
  /** What `after` may run, by name. */
  activities?: Readonly<Record<Run, HookActivity>>;
}

/** Nothing, or `wait(payload?, { emit })`: the instance stays in the state that it has moved to. */
type HookAnswer = Answer<never> | undefined | void; // eslint-disable-line -- a function without a return statement

export type HookTick = (context: TickContext) => HookAnswer | Promise<HookAnswer>;

export type HookActivity =
  HookTick | (ActivityOptions & { tick: HookTick }) | Omit<CommandActivity, 'next'>;

/** `RetryOptions` with defaults; intervals in milliseconds. */
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

/** `runnable`: a worker ticks it; `waiting`: only an event moves it; `terminal`: neither. */
export type StateKind = 'runnable' | 'waiting' | 'terminal';

/** The state of an instance, by the machine's own name for it; or why the machine has no such state. */
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

/** A validated machine. Created only by `machine()`, `fromXState()`, or from a configuration. */
export interface Machine {
  readonly name: string;
  readonly version: string | undefined;
  readonly initial: string;
  readonly activities: ReadonlyMap<string, RunnableActivity>;
  /** The known states, in the user's order. Without a table: those with an activity. Empty for XState machines. */
  readonly kinds: ReadonlyMap<string, StateKind>;
  /** In the user's order; empty without a table. */
  readonly events: readonly string[];
  /** Undefined without a table. */
  readonly rules: Rules | undefined;
  /** Instances that its choices, hooks and ticks may read. */
  readonly sensors: readonly string[];
  /** By state, the soonest first. */
  readonly timers: ReadonlyMap<string, readonly Timer[]>;
  readonly lookup: (at: InstanceSnapshot) => StateLookup;
  /** Called only for instances that wait. */
  readonly decide: Decide;
}
