/** Ports for time, chance and log lines. The simulator has its own. */

/** All times are milliseconds. */
export interface Clock {
  /** Wall clock, since the Unix epoch; may step, drift and be hours off. Use it only for phases and display. */
  now(): number;
  /** Never goes back; its origin has no meaning. Use it only for durations. */
  monotonic(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Uniform in [0, 1). */
export type Random = () => number;

type LogLine = (fields: Record<string, unknown>, message: string) => void;

/** As in pino: fields first, then a fixed text. */
export interface Log {
  readonly debug: LogLine;
  readonly info: LogLine;
  readonly warn: LogLine;
  readonly error: LogLine;
}
