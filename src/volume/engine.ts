/** A volume as an engine. */
import type { Caution, Engine } from '../engine/engine.ts';
import { operatorName } from '../engine/decisions.ts';
import type { Log } from '../engine/ports.ts';
import { volumeClient } from './client.ts';
import type { LoopOptions, Watch } from './cycle-loop.ts';
import { openSession, type SessionOptions, type SessionPorts } from './directory-operations.ts';
import type { HistoryFiles } from './history.ts';
import { Layout } from './layout.ts';
import type { VolumeOperations } from './operations.ts';
import { cycleLength } from './phases/cycle.ts';
import { placeInstance } from './place.ts';
import { VolumeSession } from './session.ts';

export interface VolumePorts extends SessionPorts {
  readonly files: HistoryFiles;
  readonly log: Log;
  /** Undefined: an idle session lists once a cycle. */
  readonly watch?: Watch | undefined;
  readonly inspect?: () => readonly Caution[];
}

/** What `WorkerInfo` says itself. */
type OfWorker = 'worker' | 'concurrency' | 'capacity' | 'machines' | 'states' | 'sensors';

export type VolumeOptions = Omit<SessionOptions, OfWorker> & Omit<LoopOptions, 'freshListings'>;

/** A volume that a worker has opened: see `openVolume`. */
export function volumeEngine(ports: VolumePorts, options: VolumeOptions): Engine {
  const { directory, volume, ownClock = false, freshListings = false } = options;
  const { clock, log, watch } = ports;
  const [layout, cycleMs] = [new Layout(directory), cycleLength(volume.phases)];
  return {
    ...volumeClient({ ...ports, layout, ownClock, leaseMs: volume.lease, cycleMs }),
    id: volume.id,
    place: (instance, to) => {
      const worker = operatorName(ports.random);
      const identity = { worker, concurrency: 1, capacity: 1, machines: [] };
      const open = (): Promise<VolumeOperations> => openSession(ports, { ...options, ...identity });
      return placeInstance({ files: ports.files, layout, clock, open }, instance, to);
    },
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
