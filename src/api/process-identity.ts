/** Identity of a process, from which another process can tell for certain whether it still runs. Linux only. */
import { readFileSync, readlinkSync } from 'node:fs';

/** Index in `/proc/PID/stat`, after the command's name, of the start time in clock ticks since boot. */
const START_TIME_FIELD = 19;

/**
 * Boot, PID namespace, PID and start time. Distinguishes containers with the same host name, and reused PIDs. Undefined if
 * the system does not provide it, or the process does not exist in this namespace.
 */
export function processIdentity(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const namespace = readlinkSync('/proc/self/ns/pid');
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[START_TIME_FIELD];
    return `${boot} ${namespace} ${pid} ${started}`;
  } catch {
    return undefined;
  }
}
