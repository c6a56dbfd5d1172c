/** Whose clock stamps what is written: told from the offsets seen through each mount, or from the type. Pure. */
import { knownOf } from './file-system.ts';
import type { Measured } from './measured.ts';

export interface StampedBy {
  readonly who: 'this host' | 'server' | 'client' | 'unknown';
  /** Measured; else it is what this type of file system is known to do. */
  readonly measured: boolean;
}

/** Undefined where no stamps were taken. */
export function stampedBy({ fileSystem, stamps }: Measured): StampedBy | undefined {
  if (stamps === undefined) return undefined;
  if (!fileSystem.network) return { who: 'this host', measured: false };
  const { offsets } = stamps;
  // One volume has one clock: where two mounts of it tell different times, the mounts themselves stamp.
  const low = Math.max(...offsets.map((offset) => offset.low));
  const high = Math.min(...offsets.map((offset) => offset.high));
  if (low > high) return { who: 'client', measured: true };
  // All of them on this host, and all of them off its clock alike: it is somebody else's.
  const isOff = offsets.every((offset) => offset.low > 0 || offset.high < 0);
  if (isOff) return { who: 'server', measured: true };
  return { who: knownOf(fileSystem.type)?.stamps ?? 'unknown', measured: false };
}
