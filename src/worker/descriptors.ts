/** How many commands this process has file descriptors for. */
import { readdirSync, readFileSync } from 'node:fs';

/** For files of the volume, and for what the worker opens later. */
const RESERVED = 32;
/** Pipes of one command; and its input file, while it is written. */
const PER_COMMAND = 4;

/** Infinity where the system does not tell; such a system's refusal is heeded when it comes. */
export function commandsByDescriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const most = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
    const open = readdirSync('/proc/self/fd').length;
    return Math.max(1, Math.floor((most - open - RESERVED) / PER_COMMAND));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
