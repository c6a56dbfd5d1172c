/** What a worker needs from outside besides the volume: somebody to run ticks, and somebody to tell. */
import type { Answer } from '../machine/answer.ts';
import type { Json, RunnableActivity } from '../machine/definition.ts';

/** One attempt at one step. */
export interface TickTask {
  readonly instance: string;
  /** The state file's name. */
  readonly name: string;
  readonly machine: string;
  readonly state: string;
  readonly payload: Json;
  readonly attempt: number;
  readonly idempotencyKey: string;
  readonly activity: RunnableActivity;
}

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

/** Calls `hint` when something may have changed: a wake-up, never the truth. Resolves to a way to stop. */
export type Watch = (hint: () => void) => Promise<() => Promise<void>>;
