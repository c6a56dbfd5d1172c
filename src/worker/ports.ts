/** What a worker needs besides an engine: ticks run, time, chance, a log. */
import type { Answer } from '../machine/answer.ts';
import type { Json, PastStep, RunnableActivity } from '../machine/definition.ts';
import type { Registry } from '../machine/registry.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Clock, Log, Random } from '../engine/ports.ts';
import type { SettledStep } from './log-settled.ts';
import type { ConcurrencyLimit } from './concurrency-limit.ts';

/** One attempt at one step. */
export interface TickTask {
  readonly instance: string;
  /** The state file's name. */
  readonly name: string;
  /** Absolute: of a volume. Undefined elsewhere. */
  readonly directory?: string;
  readonly machine: string;
  readonly state: string;
  readonly payload: Json;
  /** Of the branches that were joined there. */
  readonly outputs: Readonly<Record<string, Json>>;
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** What its machine may observe; null for an instance that does not exist. */
  readonly sensors: Sights;
  readonly history: () => Promise<readonly PastStep[]>;
  readonly activity: RunnableActivity;
  /** Its attempts may have cost workers already. */
  readonly isSuspect?: boolean;
}

/** Where other instances are, by name. */
export type Sights = Readonly<Record<string, InstanceSnapshot | null>>;

export type TickResult =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | {
      readonly kind: 'failed';
      readonly error: { message: string; stack?: string; fatal?: boolean };
    }
  /** The worker took it back: counts for nothing. */
  | { readonly kind: 'aborted' };

/** Never rejects, and always resolves by the activity's timeout or soon after `signal` aborts. */
export type Execute = (task: TickTask, signal: AbortSignal) => Promise<TickResult>;

export interface WorkerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly execute: Execute;
  readonly log: Log;
  /** Shared by the workers of one process, each on an engine of its own. */
  readonly slots: ConcurrencyLimit;
  /** The worker's own machines, as of now: another object when they have changed. */
  readonly machines: () => Registry;
  /** Called for each step that the engine has answered for. */
  readonly onSettled?: (step: SettledStep) => void;
  /** True while states may be on their way from elsewhere, so that a drained engine is not the end. */
  readonly moreToCome?: () => boolean;
}

export interface WorkerOptions {
  readonly name: string;
  /** Ticks at a time, and states held, at most. */
  readonly concurrency: number;
  readonly capacity: number;
  /** Go on when nothing is left to do. */
  readonly stays: boolean;
  /** Run commands of configurations that the engine stores. */
  readonly trustsStored: boolean;
  /** Milliseconds a stopping worker gives its ticks. */
  readonly drainMs: number;
}

export interface Summary {
  /** Steps this worker committed. */
  readonly done: number;
  /** States that failed here. */
  readonly failed: number;
  /** `empty`: nothing left to do anywhere. */
  readonly end: 'empty' | 'stopped';
}
