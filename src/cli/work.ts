/** A worker on one volume: `flockwork worker` runs one on each of its volumes. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { examineQuickly } from '../doctor/examine.ts';
import { judge, sentenceOf } from '../doctor/judge.ts';
import { nodeHost } from '../doctor/node-host.ts';
import { scratchName } from '../doctor/scratch.ts';
import { UserError } from '../machine/errors.ts';
import type { Registry } from '../machine/registry.ts';
import { ARCHIVE_AGE, ARCHIVE_PAUSE } from '../volume/archivable.ts';
import { startHeartbeatThread } from '../volume/heartbeat.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { openVolume, readVolume, refuseMounts } from '../volume/open.ts';
import { volumeEngine } from '../volume/engine.ts';
import type { VolumeFile } from '../volume/volume-file.ts';
import type { Log } from '../engine/ports.ts';
import type { Execute, Summary } from '../worker/ports.ts';
import type { ConcurrencyLimit } from '../worker/concurrency-limit.ts';
import { Worker } from '../worker/worker.ts';
import type { Settings } from './options.ts';
import { askedPhases, defaultTiming } from './phases.ts';
import { processIdentity } from './process-identity.ts';
import { isNetworkFileSystem, realClock, realRandom } from './node-ports.ts';
import { watchVolume } from './wake-up.ts';

/** Minimum archive pause: caches of a volume are never staler than one lease. */
const LEASES_PER_ARCHIVE_PAUSE = 5;

/** A volume on which a worker can run. */
export interface PreparedVolume {
  readonly directory: string;
  readonly isNetwork: boolean;
  readonly files: NodeFiles;
  readonly volume: VolumeFile;
  readonly log: Log;
}

/** Configuration shared by the workers of one process. */
export interface WorkerConfig {
  readonly name: string;
  readonly machines: () => Registry;
  readonly settings: Settings;
  /** Guaranteed to each worker: an equal part of the process's concurrency. */
  readonly concurrency: number;
  readonly capacity: number;
  readonly slots: ConcurrencyLimit;
  readonly execute: Execute;
  readonly stop: AbortSignal;
  /** See `WorkerPorts`. */
  readonly moreToCome: () => boolean;
}

/** Makes the directory a volume, if it is not one yet. Throws `unfit-volume`, and the errors of `openVolume`. */
export async function prepare(
  directory: string,
  settings: Settings,
  log: Log,
): Promise<PreparedVolume> {
  const isNetwork = await (async () => isNetworkFileSystem(directory))().catch(() => false);
  const files = new NodeFiles({ durable: settings.fsync, network: isNetwork });
  await refuseUnfit(files, directory, log);
  const volume = await openForWork(files, directory, isNetwork, settings);
  return { directory, isNetwork, files, volume, log };
}

/** Runs until nothing is left, or `stop` aborts. Throws `volume-gone` and `name-in-use`, which a user must resolve. */
export async function work(
  { directory, isNetwork, files, volume, log }: PreparedVolume,
  {
    name,
    machines,
    settings,
    concurrency,
    capacity,
    slots,
    execute,
    stop,
    moreToCome,
  }: WorkerConfig,
): Promise<Summary> {
  const absolute = resolve(directory);
  const engine = volumeEngine(
    {
      files,
      clock: realClock,
      random: realRandom,
      startHeartbeat: startHeartbeatThread,
      log,
      // Network file systems do not report the file events of other hosts.
      watch: isNetwork ? undefined : watchVolume(directory, log),
    },
    {
      directory,
      volume,
      host: hostname(),
      pid: process.pid,
      process: processIdentity(process.pid),
      ownClock: !isNetwork,
      freshListings: !isNetwork,
      archive: {
        keep: settings.keep,
        age: ARCHIVE_AGE,
        pause: Math.max(ARCHIVE_PAUSE, LEASES_PER_ARCHIVE_PAUSE * volume.lease),
      },
      assign: settings.assign,
      follow: settings.follow,
      eager: settings.eager,
      gathering: { expect: settings.expect, quietMs: settings.gather },
    },
  );
  const worker = new Worker(
    engine,
    {
      clock: realClock,
      random: realRandom,
      execute: (task, signal) => execute({ ...task, directory: absolute }, signal),
      log,
      slots,
      machines,
      moreToCome,
    },
    {
      name,
      concurrency,
      capacity,
      stays: settings.watch,
      trustsStored: settings['trust-volume'],
      drainMs: settings.drain,
    },
  );
  const summary = await worker.run(stop);
  const { end, ...counts } = summary;
  log.info(counts, end === 'empty' ? 'nothing left to do' : 'stopped');
  return summary;
}

/**
 * The first worker on a volume checks that it is fit, before anything on it can be claimed. Throws `unfit-volume`, and the
 * errors of `readVolume`.
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
    throw new UserError('unfit-volume', `${directory}: ${bad.map(sentenceOf).join(' ')}`, { bad });
  }
  const warnings = [
    ...judgements.filter(({ verdict }) => verdict === 'warning').map(sentenceOf),
    ...skipped.map(({ what, why }) => `not measured: ${what} (${why}).`),
  ];
  if (warnings.length === 0) return;
  log.warn(
    { directory, warnings },
    'first use of this volume, with warnings; flockwork doctor measures more',
  );
}

async function openForWork(
  files: NodeFiles,
  directory: string,
  isNetwork: boolean,
  settings: Settings,
): Promise<VolumeFile> {
  const layout = new Layout(directory);
  const volume = await openVolume(files, layout, {
    phases: askedPhases(settings),
    ...(settings.lease !== undefined && { lease: settings.lease }),
    defaults: defaultTiming(isNetwork),
    newId: randomUUID(),
    now: Date.now(),
  });
  await refuseMounts(files, layout);
  return volume;
}
