/** How a simulated process shows in a trace: its log, and the places it touches. */
import type { Log } from '../engine/ports.ts';
import { MOUNT } from './process-options.ts';

/** `trace` is given what makes the text: it is only made if somebody reads it. */
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

/** A path as seen from the volume's root. */
export function shorten(path: string): string {
  return path.startsWith(MOUNT) ? path.slice(MOUNT.length + 1) || '.' : path;
}
