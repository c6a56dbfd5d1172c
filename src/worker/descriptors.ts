/** Number of commands that this process has file descriptors for. */
import { readdirSync, readFileSync } from 'node:fs';

/** For files that the engine and the worker open. */
const RESERVED_DESCRIPTORS = 32;
/** Three pipes, and the input file while it is written. */
const DESCRIPTORS_PER_COMMAND = 4;

/** Infinity where the system does not tell: `CommandLimit` then adapts to its refusals. */
export function commandsByDescriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
    const open = readdirSync('/proc/self/fd').length;
    return Math.max(1, Math.floor((max - open - RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_COMMAND));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
