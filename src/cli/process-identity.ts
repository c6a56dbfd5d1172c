/** Which process a token is of, so that another one can tell for certain whether it still runs. Linux only. */
import { readFileSync, readlinkSync } from 'node:fs';

/** In `/proc/PID/stat`, after the command's name: the 20th is when it started, in clock ticks since boot. */
const START_TIME_FIELD = 19;

/**
 * The boot, the PID namespace, the PID and when it started: containers with one host name, and a PID that was given to another
 * process, are told apart. Undefined where the system does not say, or there is no such process in this namespace.
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
