/** Which clock time stamps come from: inferred from the offsets through each mount, or from the file system type. Pure. */
import { knownOf } from './file-system.ts';
import type { Measured } from './measured.ts';

export interface StampedBy {
  readonly who: 'this host' | 'server' | 'client' | 'unknown';
  /** False: what this type of file system is known to do. */
  readonly measured: boolean;
}

/** Undefined if no time stamps were measured. */
export function stampedBy({ fileSystem, stamps }: Measured): StampedBy | undefined {
  if (stamps === undefined) return undefined;
  if (!fileSystem.network) return { who: 'this host', measured: false };
  const { offsets } = stamps;
  // A server has one clock: if two mounts show different times, the clients stamp.
  const low = Math.max(...offsets.map((offset) => offset.low));
  const high = Math.min(...offsets.map((offset) => offset.high));
  if (low > high) return { who: 'client', measured: true };
  // All mounts are on this host; if all differ from its clock alike, it is another host's.
  const isOff = offsets.every((offset) => offset.low > 0 || offset.high < 0);
  if (isOff) return { who: 'server', measured: true };
  return { who: knownOf(fileSystem.type)?.stamps ?? 'unknown', measured: false };
}
