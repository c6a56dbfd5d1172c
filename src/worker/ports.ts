/** The ports of a worker besides its engine (ticks, time, chance, log), and its options. */
import type { Answer } from '../machine/answer.ts';
import type { Json, PastStep, RunnableActivity } from '../machine/definition.ts';
import type { Registry } from '../machine/registry.ts';
import type { PendingHook } from '../machine/state-file.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Clock, Log, Random } from '../engine/ports.ts';
import type { SettledStep } from './settler.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';

/** One attempt at one step. */
export interface TickTask {
  readonly instance: string;
  /** The state file's name. */
  readonly name: string;
  /** The volume's absolute path; undefined for other engines. */
  readonly directory?: string;
  readonly machine: string;
  readonly state: string;
  readonly payload: Json;
  /** By branch, of those that were joined in this state. */
  readonly outputs: Readonly<Record<string, Json>>;
  /** The activity is that of this hook. */
  readonly hook?: PendingHook;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly sensors: SensorReadings;
  readonly history: () => Promise<readonly PastStep[]>;
  readonly activity: RunnableActivity;
  /** Earlier attempts may have crashed a worker. */
  readonly isSuspect?: boolean;
}

/** Snapshots by name of the instances that a machine observes; null for one that does not exist. */
export type SensorReadings = Readonly<Record<string, InstanceSnapshot | null>>;

export type TickResult =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'failed';
      readonly error: { message: string; stack?: string; fatal?: boolean };
    }
  /** Cancelled by the worker: no attempt is counted. */
  | { readonly kind: 'aborted' };

/** What may abort a tick. The signal is read for ticks that do not end at once: making it costs more than a quick tick. */
export interface AbortSource {
  readonly signal: AbortSignal;
}

/**
 * Neither throws nor rejects. The result of a tick that ended at once, aborted or not; or a promise of it, by the activity's
 * timeout, or soon after the signal aborts.
 */
export type Execute = (task: TickTask, source: AbortSource) => TickResult | Promise<TickResult>;

export interface WorkerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly execute: Execute;
  readonly log: Log;
  /** Shared by the workers of one process, each on an engine of its own. */
  readonly slots: ConcurrencyLimit;
  /** The worker's own machines, as of now: another object when they have changed. */
  readonly machines: () => Registry;
  /** The volume's absolute path, for ticks: see `TickTask`. */
  readonly directory?: string;
  /** Called for each step that the engine has answered for. */
  readonly onSettled?: (step: SettledStep) => void;
  /** True while states may still be submitted from elsewhere: a drained engine is then not the end. */
  readonly moreToCome?: () => boolean;
}

export interface WorkerOptions {
  readonly name: string;
  /** Ticks at a time, at most. */
  readonly concurrency: number;
  /** States held, at most. */
  readonly capacity: number;
  /** Keep running when nothing is left to do. */
  readonly stays: boolean;
  /** Also run commands of configurations that the engine stores. */
  readonly trustsStored: boolean;
  /** Time that ticks have to end when the worker stops. */
  readonly drainMs: number;
}

export interface Summary {
  /** Steps this worker committed. */
  readonly done: number;
  /** States that this worker has failed. */
  readonly failed: number;
  /** `empty`: nothing is left to do for any worker. */
  readonly end: 'empty' | 'stopped';
}
