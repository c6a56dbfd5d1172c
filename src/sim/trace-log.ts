/** Formats a simulated process's log lines and paths for the trace. */
import type { Log } from '../engine/ports.ts';
import { MOUNT } from './process-options.ts';

/** `trace` receives a function: the text is only made if a trace is written. */
export function traceLog(trace: (text: () => string) => void): Log {
  const line =
    (level: string) =>
    (facts: Record<string, unknown>, message: string): void => {
      trace(() => `${level}: ${message}${describeError(facts['err'])}`);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

function describeError(error: unknown): string {
  return error === undefined ? '' : ` (${(error as Error).message})`;
}

/** A path relative to the volume's root. */
export function shorten(path: string): string {
  return path.startsWith(MOUNT) ? path.slice(MOUNT.length + 1) || '.' : path;
}
