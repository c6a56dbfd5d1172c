/** What is known of a volume without measuring it: its file system, its modes, how it is opened. */
import { statSync } from 'node:fs';
import type { FileSystem } from '../doctor/file-system.ts';
import { judge, sentenceOf } from '../doctor/judge.ts';
import { nodeHost } from '../doctor/node-host.ts';
import type { Caution } from '../engine/engine.ts';
import { formatDuration } from '../machine/duration.ts';
import { cycleLength, NETWORK_PHASES, type PhaseLengths } from '../volume/phases/cycle.ts';

const OTHERS_WRITE = 0o002;
const IN_MEMORY: readonly string[] = ['tmpfs', 'ramfs'];

export interface InspectedVolume {
  readonly fileSystem: FileSystem;
  /** Of the directory. */
  readonly mode: number;
  /** Commits wait for the disk. */
  readonly isSynced: boolean;
  /** Undefined before the first worker. */
  readonly phases: PhaseLengths | undefined;
}

/** Throws with the errno of stat and statfs. */
export function inspectVolume(
  directory: string,
  more: Pick<InspectedVolume, 'isSynced' | 'phases'>,
): Caution[] {
  const fileSystem = nodeHost.fileSystem(directory);
  return cautionsOf({ ...more, fileSystem, mode: statSync(directory).mode });
}

export function cautionsOf({ fileSystem, mode, isSynced, phases }: InspectedVolume): Caution[] {
  const cautions: Caution[] = [];
  if (IN_MEMORY.includes(fileSystem.type)) {
    cautions.push({
      code: 'in-memory',
      message: `The file system is in memory (${fileSystem.type}): everything ends with this host. Use a disk for what must outlast it.`,
    });
  }
  if (!isSynced) {
    cautions.push({
      code: 'unsynced',
      message:
        'Commits do not wait for the disk: a power cut may undo steps that have run. Leave out --no-fsync to keep them.',
    });
  }
  const doubts = judge({ fileSystem }).filter(({ verdict }) => verdict !== 'good');
  for (const doubt of doubts)
    cautions.push({ code: 'file-system', message: capital(sentenceOf(doubt)) });
  if ((mode & OTHERS_WRITE) !== 0) {
    cautions.push({
      code: 'world-writable',
      message:
        'Every user of a host that mounts it may write to it, and have workers run any of their machines. Take the permission away: chmod o-w.',
    });
  }
  if (fileSystem.network && phases !== undefined && isShort(phases)) {
    const [used, usual] = [phases, NETWORK_PHASES].map((one) => formatDuration(cycleLength(one)));
    cautions.push({
      code: 'short-phases',
      message: `A cycle takes ${used}, and ${usual} by default on a network file system, whose caches may hide changes. flockwork doctor measures which phases are long enough.`,
    });
  }
  return cautions;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function isShort(phases: PhaseLengths): boolean {
  const names = Object.keys(NETWORK_PHASES) as (keyof PhaseLengths)[];
  return names.some((name) => phases[name] < NETWORK_PHASES[name]);
}
