/** The ports through which time, chance and log lines pass. The simulator has its own. */

/** All times are milliseconds. */
export interface Clock {
  /** Wall clock, since the Unix epoch; may step, drift and be hours off. Use it for phases and for people only. */
  now(): number;
  /** Never goes back; its origin means nothing. Use it for durations only. */
  monotonic(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Uniform in [0, 1). */
export type Random = () => number;

type LogLine = (fields: Record<string, unknown>, message: string) => void;

/** As pino has it: fields first, then a fixed text. */
export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}
