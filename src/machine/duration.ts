/** Parses and formats durations. Everywhere else a duration is an integer number of milliseconds. */
import { UserError } from './errors.ts';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, '': 1 };

/** `"3s"`, `"150ms"`, `"1.5s"`, `"2m"`, `"1h"`; a bare number is milliseconds. Throws `bad-duration`. */
export function parseDuration(value: number | string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|)$/.exec(String(value).trim());
  const ms = match === null ? Number.NaN : Math.round(Number(match[1]) * UNITS[match[2]!]!);
  if (Number.isSafeInteger(ms)) return ms;
  throw new UserError(
    'bad-duration',
    `"${value}" is not a valid duration; write it as 150ms, 1.5s, 2m or 1h`,
    { value },
  );
}

/** 100 years: more is a mistake, and might exceed the range of a Date. */
const MAX_DURATION_MS = 36_525 * 24 * UNITS['h']!;

/** Why the value is not valid, or undefined. `least`: 1 ms for a timeout or a timer, 0 for an interval. */
export function durationProblem(value: number | string, least: number): string | undefined {
  try {
    const ms = parseDuration(value);
    return ms >= least && ms <= MAX_DURATION_MS
      ? undefined
      : `${value} must be between ${least}ms and a hundred years`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Milliseconds by which a step is delayed. Throws `bad-duration`. */
export function durationOf(value: number | string): number {
  const ms = parseDuration(value);
  if (ms <= MAX_DURATION_MS) return ms;
  throw new UserError('bad-duration', `"${value}" is more than a hundred years`, { value });
}

/** In the form that options take: `10s`, `1.5s`, `400ms`. */
export function writeDuration(ms: number): string {
  return ms >= 1000 && ms % 100 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** For display: `450 ms`, `3.2 s`, `1 m 05 s`, `2 h 03 m`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  const two = (number: number): string => String(number).padStart(2, '0');
  if (minutes < 60) return `${minutes} m ${two(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
}
