/** What a worker needs from outside besides the volume: somebody to run ticks, and somebody to tell. */
import type { Answer } from '../machine/answer.ts';
import type { Json, PastStep, RunnableActivity } from '../machine/definition.ts';
import type { Registry } from '../machine/registry.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Clock, Random } from '../semaphore/ports.ts';
import type { OpenSession } from '../store/session.ts';
import type { GatheringOptions } from './gathering.ts';
import type { Slots } from './slots.ts';

/** One attempt at one step. */
export interface TickTask {
  readonly instance: string;
  /** The state file's name. */
  readonly name: string;
  /** Absolute: the volume that it is on. Undefined where there is none. */
  readonly directory?: string;
  readonly machine: string;
  readonly state: string;
  readonly payload: Json;
  /** Of the branches that were joined there. */
  readonly outputs: Readonly<Record<string, Json>>;
  readonly attempt: number;
  readonly idempotencyKey: string;
  /** What its machine may look at, as of this cycle; null for an instance that is not there. */
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

type LogLine = (facts: Record<string, unknown>, message: string) => void;

export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}

/**
 * Calls `hint` when something may have changed, with the state file's name where it is known: a wake-up, never
 * the truth. Resolves to a way to stop.
 */
export type Watch = (hint: (name?: string) => void) => Promise<() => Promise<void>>;

export interface WorkerOptions {
  readonly registry: Registry;
  readonly volumeId: string;
  readonly assign: 'slices' | 'zip';
  readonly follow: boolean;
  /** Listings show what was done a moment ago: not so on most network file systems. */
  readonly freshListings: boolean;
  /** Go on for ever. */
  readonly watch: boolean;
  /** In Update System, claim what arrives in one's own slice: nobody else does. */
  readonly eager: boolean;
  /** Run commands of configurations that the volume keeps. */
  readonly trustVolume?: boolean;
  /** Which other workers the first claim waits for. */
  readonly gathering: GatheringOptions;
  /** Milliseconds a stopping worker gives its ticks. */
  readonly drain: number;
}

export interface WorkerPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly openSession: OpenSession;
  readonly execute: Execute;
  readonly log: Log;
  /** Shared by the workers of one process, each on a volume of its own. */
  readonly slots: Slots;
  /** Without it an idle worker looks once a cycle. */
  readonly watch: Watch | undefined;
  /** The worker's own machines, as of now: another object when they have changed. Without it, those of the options. */
  readonly machines?: () => Registry;
  /** Asked once a cycle: true while states may be on their way from elsewhere, so that an empty volume is not the end. */
  readonly moreToCome?: () => boolean;
}

export interface Summary {
  /** Steps this worker committed. */
  readonly done: number;
  /** States this worker put aside. */
  readonly failed: number;
  /** `empty`: nothing left to do anywhere. */
  readonly end: 'empty' | 'stopped';
}
