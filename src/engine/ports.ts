/** The two ports through which time and chance reach Flockwork. The simulator has its own. */

/** All times are milliseconds. */
export interface Clock {
  /** Wall clock, since the Unix epoch; may step, drift and be hours off. Use it for phases only. */
  now(): number;
  /** Never goes back; its origin means nothing. Use it for durations only. */
  monotonic(): number;
  /** Resolves after `ms`, or as soon as `signal` aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Uniform in [0, 1). */
export type Random = () => number;
