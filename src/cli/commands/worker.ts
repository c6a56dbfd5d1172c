/** `flockwork worker`: one worker on a volume. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { UserError } from '../../machine/errors.ts';
import { machineNames } from '../../machine/registry.ts';
import { examineQuickly } from '../../doctor/examine.ts';
import { judge, sentenceOf } from '../../doctor/judge.ts';
import { nodeHost } from '../../doctor/node-host.ts';
import { scratchName } from '../../doctor/scratch.ts';
import { startHeartbeatThread } from '../../volume/heartbeat.ts';
import { Layout } from '../../volume/layout.ts';
import { NodeFiles } from '../../volume/node-files.ts';
import { openVolume, readVolume } from '../../volume/open.ts';
import { openSession } from '../../volume/session.ts';
import { workerNameProblem } from '../../volume/token.ts';
import type { VolumeFile } from '../../volume/volume-file.ts';
import { createExecute } from '../../worker/executor.ts';
import type { Log } from '../../worker/ports.ts';
import { Worker } from '../../worker/worker.ts';
import { COMMON, EXIT, LOGGING, type Command } from '../command.ts';
import { loadMachines } from '../machines.ts';
import type { OptionName, Settings } from '../options.ts';
import { askedPhases, defaultTiming, PHASES } from '../phases.ts';
import {
  createLog,
  hostName,
  isNetworkFileSystem,
  realClock,
  realRandom,
  watchDirectory,
} from '../real.ts';

/** What makes a worker go: `up` passes all of these on. */
export const WORK: readonly OptionName[] = [
  ...PHASES,
  'lease',
  'assign',
  'concurrency',
  'capacity',
  'follow',
  'watch',
  'fsync',
  'eager',
  'drain',
  'machines',
  'example-delay',
  ...LOGGING,
];

export const worker: Command = {
  name: 'worker',
  describe: 'Work on a volume until nothing is left, or for ever with --watch',
  options: [...COMMON, 'name', ...WORK],
  examples: [
    ['$0 worker --dir /mnt/states', 'work until nothing is left anywhere'],
    [
      '$0 worker --dir /mnt/states --watch --machines ./machines',
      'go on for ever, with your own machines',
    ],
    [
      '$0 worker --dir /mnt/states --assign zip --assignment 3s --commitment 3s --update 3s --buffer 1s --concurrency 1 --no-follow',
      'share a volume with the original program',
    ],
  ],
  run: async (settings, _words, io) => {
    const name = settings.name ?? hostName(io, hostname());
    const problem = workerNameProblem(name);
    if (problem !== undefined) throw new UserError('bad-name', problem, { name });
    const registry = await loadMachines(settings.machines);
    const directory = resolve(settings.dir);
    const isNetwork = await (async () => isNetworkFileSystem(directory))().catch(() => false);
    const files = new NodeFiles({ durable: settings.fsync, network: isNetwork });
    const log = createLog(settings, { worker: name });
    await refuseUnfit(files, directory, log);
    const volume = await openForWork(files, directory, isNetwork, settings);
    const session = {
      directory,
      volume,
      worker: name,
      host: hostname(),
      pid: process.pid,
      concurrency: settings.concurrency,
      capacity: Math.max(settings.concurrency, settings.capacity),
      machines: machineNames(registry),
      ownClock: !isNetwork,
    };
    const ports = {
      files,
      clock: realClock,
      random: realRandom,
      startHeartbeat: startHeartbeatThread,
    };
    const one = new Worker(
      {
        clock: realClock,
        random: realRandom,
        openSession: () => openSession(ports, session),
        execute: createExecute({
          clock: realClock,
          log,
          print: io.print,
          pauseScale: settings['example-delay'],
        }),
        log,
        // File events do not cross the network: there, an idle worker looks once a cycle.
        watch: isNetwork ? undefined : watchDirectory(directory, log),
      },
      {
        registry,
        volumeId: volume.id,
        assign: settings.assign,
        follow: settings.follow,
        watch: settings.watch,
        eager: settings.eager,
        freshListings: !isNetwork,
        drain: settings.drain,
      },
    );
    const summary = await one.run(io.stop);
    const nothing = summary.end === 'empty' ? 'nothing is left to do' : 'stopped';
    log.info({ ...summary }, `${nothing}; ${summary.done} done and ${summary.failed} failed here`);
    return summary.failed > 0 ? EXIT.failed : EXIT.done;
  },
};

/**
 * Whoever is the first on a volume makes sure that it is fit, before anything on it can be claimed. Throws
 * `unfit-volume`, and what `readVolume` does.
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
  const doubts = [
    ...judgements.filter(({ verdict }) => verdict === 'warning').map(sentenceOf),
    ...skipped.map(({ what, why }) => `not measured: ${what} (${why}).`),
  ];
  if (doubts.length === 0) return;
  log.warn(
    { doubts },
    `nobody has worked here before, and there are doubts; flockwork doctor ${directory} measures more. ${doubts.join(' ')}`,
  );
}

async function openForWork(
  files: NodeFiles,
  directory: string,
  isNetwork: boolean,
  settings: Settings,
): Promise<VolumeFile> {
  return openVolume(files, new Layout(directory), {
    phases: askedPhases(settings),
    ...(settings.lease !== undefined && { lease: settings.lease }),
    defaults: defaultTiming(isNetwork),
    newId: randomUUID(),
    now: Date.now(),
  });
}
