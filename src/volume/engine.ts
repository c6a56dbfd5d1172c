/** A volume as an engine. */
import { randomUUID } from 'node:crypto';
import type {
  ClientApi,
  ConfigurationName,
  Configurations,
  Engine,
  PutResult,
} from '../engine/engine.ts';
import type { Log } from '../engine/ports.ts';
import { checkConfigurationName, checkMessage, checkState } from '../engine/validate.ts';
import { configurationDifferences } from '../machine/config-difference.ts';
import { isStateName, parseStateName } from '../machine/name.ts';
import { readChain, readLast } from './chain-steps.ts';
import { getConfiguration, listConfigurations, putConfiguration } from './configurations.ts';
import { isDone } from './archive.ts';
import { listEntry, listOrNone } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { HistoryFiles } from './history.ts';
import { Layout } from './layout.ts';
import { listShards, pauseVolume, resumeVolume, retryState } from './admin.ts';
import { ensureDirectory } from './directory.ts';
import type { LoopOptions, Watch } from './cycle-loop.ts';
import type { VolumeOperations } from './operations.ts';
import { VolumeSession } from './session.ts';
import { eventStatus } from './outcomes.ts';
import { sendEvent } from './send.ts';
import { openSession, type SessionOptions, type SessionPorts } from './directory-operations.ts';
import { submitState } from './submit.ts';

interface At {
  readonly files: HistoryFiles;
  readonly layout: Layout;
}

export function volumeConfigurations(files: Files, layout: Layout): Configurations {
  return {
    put: (key, text) => put(files, layout, key, text),
    get: (key) => getConfiguration(files, layout, key),
    list: () => listConfigurations(files, layout),
  };
}

/** For clients. Makes the directories that it needs where they are missing. */
export function volumeClient({ files, layout }: At): ClientApi {
  return {
    configurations: volumeConfigurations(files, layout),
    submit: async (name, bytes) => {
      checkState(name, bytes);
      const submitted = await submitState(files, layout, { name, bytes }, randomUUID());
      await files.sync(layout.root);
      return submitted;
    },
    send: async (message) => {
      checkMessage(message);
      return sendEvent(files, layout, message, randomUUID());
    },
    eventResult: async (id) => {
      const standing = await eventStatus(files, layout, id);
      return standing.kind === 'over' ? standing : undefined;
    },
    get: (instance) => readLast(files, layout, instance),
    history: (instance) => readChain(files, layout, instance),
    instances: () => listInstances({ files, layout }),
    failed: () => listFailed({ files, layout }),
    // done beats failed where both exist.
    retry: async (state) =>
      !(await isDone(files, layout, state)) && retryState(files, layout, state),
    pause: async (by) => {
      await ensureDirectory(files, layout.home);
      const note = { by, at: new Date().toISOString() };
      await pauseVolume(files, layout, `${JSON.stringify(note)}\n`);
    },
    resume: () => resumeVolume(files, layout),
  };
}

export interface VolumePorts extends SessionPorts {
  readonly files: HistoryFiles;
  readonly log: Log;
  /** Undefined: an idle session lists once a cycle. */
  readonly watch?: Watch | undefined;
}

/** What `WorkerInfo` says itself. */
type OfWorker = 'worker' | 'concurrency' | 'capacity' | 'machines' | 'states' | 'sensors';

export type VolumeOptions = Omit<SessionOptions, OfWorker> & Omit<LoopOptions, 'freshListings'>;

/** A volume that a worker has opened: see `openVolume`. */
export function volumeEngine(ports: VolumePorts, options: VolumeOptions): Engine {
  const { directory, volume, freshListings = false } = options;
  const { clock, log, files, watch } = ports;
  return {
    ...volumeClient({ files, layout: new Layout(directory) }),
    id: volume.id,
    join: (worker) => {
      const { name, concurrency, capacity, observes: sensors } = worker;
      const identity = { worker: name, concurrency, capacity, sensors };
      const openOperations = (): Promise<VolumeOperations> =>
        openSession(ports, { ...options, ...identity, ...worker.machines() });
      const loop = { clock, log, openOperations, watch };
      return VolumeSession.open(loop, worker, { ...options, freshListings });
    },
  };
}

async function put(
  files: Files,
  layout: Layout,
  key: ConfigurationName,
  text: string,
): Promise<PutResult> {
  checkConfigurationName(key);
  const isNew = (await getConfiguration(files, layout, key)) === undefined;
  const stored = await putConfiguration(files, layout, key, text, randomUUID());
  const differing = configurationDifferences(stored, text);
  if (differing.length > 0) return { kind: 'differs', differing };
  return { kind: isNew ? 'stored' : 'there already' };
}

async function listInstances({ files, layout }: At): Promise<string[]> {
  const instances = new Set<string>();
  for (const directory of [layout.entries, ...(await listShards(files, layout))]) {
    for (const name of await listEntry(files, directory)) {
      const parsed = parseStateName(name);
      if (parsed !== undefined) instances.add(parsed.instance);
    }
  }
  return [...instances];
}

async function listFailed({ files, layout }: At): Promise<string[]> {
  const failed: string[] = [];
  for (const name of (await listOrNone(files, layout.flags('failed'))).filter(isStateName)) {
    if (!(await isDone(files, layout, name))) failed.push(name);
  }
  return failed;
}
