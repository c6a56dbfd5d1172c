/** A worker on one volume: what `flockwork worker` runs on each of those it is given. */
import { resolve } from 'node:path';
import { realClock, realRandom } from '../api/node-ports.ts';
import { openVolumeEngine, type OpenedEngine } from '../api/open-volume.ts';
import type { Log } from '../engine/ports.ts';
import type { Registry } from '../machine/registry.ts';
import type { ConcurrencyLimit } from '../worker/concurrency-limit.ts';
import type { Execute, Summary } from '../worker/ports.ts';
import { Worker } from '../worker/worker.ts';
import type { Settings } from './options.ts';
import { askedPhases } from './settings.ts';

/** A volume that can be worked on. */
export interface PreparedVolume extends OpenedEngine {
  readonly log: Log;
}

/** What the workers of one process have in common. */
export interface WorkerConfig {
  readonly name: string;
  readonly machines: () => Registry;
  readonly settings: Settings;
  /** Of each: an equal part of the process's. */
  readonly concurrency: number;
  readonly capacity: number;
  readonly slots: ConcurrencyLimit;
  readonly execute: Execute;
  readonly stop: AbortSignal;
  /** See `WorkerPorts`. */
  readonly moreToCome: () => boolean;
}

/** Makes the directory a volume, if it is none yet. Throws what `openVolumeEngine` does. */
export async function prepare(
  directory: string,
  settings: Settings,
  log: Log,
): Promise<PreparedVolume> {
  const { lease, keep, fsync, assign, follow, eager, expect, gather } = settings;
  const opened = await openVolumeEngine(
    directory,
    {
      phases: askedPhases(settings),
      ...(lease !== undefined && { lease }),
      gathering: { expect, quietMs: gather },
      keep,
      fsync,
      assign,
      follow,
      eager,
    },
    log,
  );
  return { ...opened, log };
}

/** Until nothing is left, or `stop` aborts. Throws a `UserError` for what a user must change. */
export async function work(
  { engine, directory, log }: PreparedVolume,
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
  const worker = new Worker(
    engine,
    {
      clock: realClock,
      random: realRandom,
      execute,
      log,
      slots,
      machines,
      moreToCome,
      directory: resolve(directory),
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
  const { end, ...counts } = await worker.run(stop);
  log.info(counts, end === 'empty' ? 'nothing left to do' : 'stopped');
  return { end, ...counts };
}
