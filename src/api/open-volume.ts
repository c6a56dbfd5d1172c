/** Opens a directory as an engine: the first worker makes it a volume, if it is fit to be one. */
import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { examineQuickly } from '../doctor/examine.ts';
import type { FileSystem } from '../doctor/file-system.ts';
import { judge, sentenceOf } from '../doctor/judge.ts';
import { nodeHost } from '../doctor/node-host.ts';
import { scratchName } from '../doctor/bench.ts';
import type { Engine, Caution } from '../engine/engine.ts';
import type { Log } from '../engine/ports.ts';
import { formatDuration } from '../machine/duration.ts';
import { UserError } from '../machine/errors.ts';
import { ARCHIVE_AGE, ARCHIVE_PAUSE } from '../volume/archiver.ts';
import type { LoopOptions } from '../volume/cycle-loop.ts';
import { volumeEngine } from '../volume/engine.ts';
import { startHeartbeatThread } from '../volume/heartbeat.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { openVolume, readVolume, refuseMounts, type VolumeFile } from '../volume/open.ts';
import {
  LOCAL_PHASES,
  NETWORK_PHASES,
  cycleLength,
  type PhaseLengths,
} from '../volume/phases/cycle.ts';
import {
  isNetworkFileSystem,
  realClock,
  realRandom,
  processIdentity,
  watchVolume,
} from './node-ports.ts';

/** What is left out is what most volumes want. Times are milliseconds. */
export interface OpenVolumeOptions extends Partial<Omit<LoopOptions, 'freshListings'>> {
  /** Of the volume; all its workers must use the same. */
  readonly phases?: Partial<PhaseLengths>;
  readonly lease?: number;
  /** Done states that stay before the rest is archived. Default: 100,000. */
  readonly keep?: number;
  /** How long the outcome of an event stays, and its id counts once. Default: seven days. */
  readonly keepOutcomesMs?: number;
  /** Wait for the disk at each commit. Default: true. */
  readonly fsync?: boolean;
}

export interface OpenedEngine {
  readonly engine: Engine;
  readonly directory: string;
  readonly leaseMs: number;
}

/** Times are milliseconds. */
export interface Timing {
  readonly phases: PhaseLengths;
  readonly lease: number;
}

const LOCAL: Timing = { phases: LOCAL_PHASES, lease: 10_000 };
const NETWORK: Timing = { phases: NETWORK_PHASES, lease: 30_000 };
export function defaultTiming(isNetwork: boolean): Timing {
  return isNetwork ? NETWORK : LOCAL;
}

const DEFAULT_KEEP = 100_000;
/** A reading of a volume is stale for a lease at most. */
const LEASES_OF_PAUSE = 5;

/** Throws `no-volume`, `bad-volume`, `unfit-volume`, `unusable-volume`, `phases-differ`, `bad-phases`. */
export async function openVolumeEngine(
  directory: string,
  options: OpenVolumeOptions,
  log: Log,
): Promise<OpenedEngine> {
  const isNetwork = isNetworkFileSystem(directory);
  const files = new NodeFiles({ durable: options.fsync ?? true, network: isNetwork });
  await refuseUnfit(files, directory, log);
  const volume = await openForWork(files, directory, isNetwork, options);
  const { assign = 'slices', follow = true, eager = false } = options;
  const { gathering = { expect: undefined, quietMs: 0 }, keep = DEFAULT_KEEP } = options;
  const pause = Math.max(ARCHIVE_PAUSE, LEASES_OF_PAUSE * volume.lease);
  const engine = volumeEngine(
    {
      files,
      clock: realClock,
      random: realRandom,
      startHeartbeat: startHeartbeatThread,
      log,
      // File events do not cross the network.
      watch: isNetwork ? undefined : watchVolume(directory, log),
      inspect: () =>
        inspectVolume(directory, { isSynced: options.fsync ?? true, phases: volume.phases }),
    },
    {
      directory,
      volume,
      host: hostname(),
      pid: process.pid,
      process: processIdentity(process.pid),
      ownClock: !isNetwork,
      freshListings: !isNetwork,
      archive: { keep, age: ARCHIVE_AGE, pause },
      ...(options.keepOutcomesMs !== undefined && { keepOutcomesMs: options.keepOutcomesMs }),
      assign,
      follow,
      eager,
      gathering,
    },
  );
  return { engine, directory, leaseMs: volume.lease };
}

/**
 * Before a directory becomes a volume it is examined: nothing can be claimed on one that is not fit. Throws `unfit-volume`,
 * and what `readVolume` does.
 */
async function refuseUnfit(files: NodeFiles, directory: string, log: Log): Promise<void> {
  if ((await readVolume(files, new Layout(directory))) !== undefined) return;
  const ports = { files, clock: realClock, host: nodeHost };
  const { measured, skipped } = await examineQuickly(ports, {
    directory,
    scratch: scratchName(realRandom),
  });
  const judgements = judge(measured);
  const bad = judgements.filter(({ verdict }) => verdict === 'bad');
  if (bad.length > 0) {
    throw new UserError(
      'unfit-volume',
      `cannot use ${directory} as a volume: ${bad.map(sentenceOf).join(' ')}`,
      { bad },
    );
  }
  const doubts = [
    ...judgements.filter(({ verdict }) => verdict === 'warning').map(sentenceOf),
    ...skipped.map(({ what, why }) => `not measured: ${what} (${why}).`),
  ];
  if (doubts.length === 0) return;
  log.warn(
    { warnings: doubts },
    'first use of this volume, with warnings; flockwork doctor measures more',
  );
}

async function openForWork(
  files: NodeFiles,
  directory: string,
  isNetwork: boolean,
  { phases, lease }: OpenVolumeOptions,
): Promise<VolumeFile> {
  const layout = new Layout(directory);
  const volume = await openVolume(files, layout, {
    ...(phases && { phases }),
    ...(lease !== undefined && { lease }),
    defaults: defaultTiming(isNetwork),
    newId: randomUUID,
    now: Date.now(),
  });
  await refuseMounts(files, layout);
  return volume;
}

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

/** What is known of a volume without measuring it. Throws with the errno of stat and statfs. */
function inspectVolume(
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
        'Commits do not wait for the disk: a power cut may undo steps that have run. Leave out --no-fsync (in a program, fsync: false) to keep them.',
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
