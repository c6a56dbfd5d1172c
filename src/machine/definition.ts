/**
 * What a machine is, as a user writes it: `export default machine({ name, activities })`.
 *
 * A state with an activity is runnable: a worker ticks it. An activity is either a function (a tick)
 * or a command line; both may carry a timeout and a retry policy of their own.
 */
import type { Answer } from './answer.ts';

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What one tick gets to see. */
export interface TickContext {
  readonly instance: string;
  readonly state: string;
  readonly payload: any; // eslint-disable-line -- the user's own shape: validated by the user's machine
  /** 1 for the first attempt at this step. */
  readonly attempt: number;
  /** The same for every attempt at this step, on every worker: makes outside effects idempotent. */
  readonly idempotencyKey: string;
  /** Aborts at the timeout and when the worker has to let go; a tick that waits should listen. */
  readonly signal: AbortSignal;
  /** Data: one line on the worker's standard output. */
  readonly print: (line: string) => void;
  /** Diagnostics: one line in the worker's log. */
  readonly log: (message: string, facts?: Record<string, unknown>) => void;
  /** Waits `ms`; rejects when `signal` aborts. The shipped examples pause with it (`--example-delay`). */
  readonly pause: (ms: number) => Promise<void>;
}

export type Tick = (context: TickContext) => Answer | Promise<Answer>;

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
}

export interface ActivityOptions {
  /** A tick that takes longer is aborted and counts as a failed attempt. Default 5m. */
  timeout?: number | string;
  retry?: RetryOptions;
}

export interface TickActivity extends ActivityOptions {
  tick: Tick;
}

export interface CommandActivity extends ActivityOptions {
  /** A command line for `/bin/sh -c`: the state's JSON on stdin, the answer's JSON on stdout. */
  run: string;
  /** The state to go on to when the command prints nothing; without it the instance is then done. */
  next?: string;
  env?: Record<string, string>;
  /** Working directory; relative to the configuration file's folder. Default: that folder. */
  cwd?: string;
}

export type Activity = Tick | TickActivity | CommandActivity;

export interface MachineOptions {
  name: string;
  version?: string;
  /** Where an instance starts. Default: the first state that has an activity. */
  initial?: string;
  activities: Record<string, Activity>;
}

/** Resolved durations are milliseconds. */
export interface RetryPolicy {
  readonly maximumAttempts: number;
  readonly initialInterval: number;
  readonly backoffCoefficient: number;
  readonly maximumInterval: number;
}

/** An activity with every default filled in. */
export type RunnableActivity = { readonly timeout: number; readonly retry: RetryPolicy } & (
  | { readonly kind: 'tick'; readonly tick: Tick }
  | {
      readonly kind: 'command';
      readonly run: string;
      readonly next: string | undefined;
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
    }
);

/** A machine as the worker uses it. Made by `machine()` or from a configuration, never by hand. */
export interface Machine {
  readonly name: string;
  readonly version: string | undefined;
  readonly initial: string;
  readonly activities: ReadonlyMap<string, RunnableActivity>;
}
