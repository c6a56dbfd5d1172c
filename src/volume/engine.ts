/** A volume as an engine, and a session on it as a worker sees it. */
import type { Caution, Engine } from '../engine/engine.ts';
import { operatorName } from '../engine/decisions.ts';
import type { Log } from '../engine/ports.ts';
import { volumeClient } from './client.ts';
import { CycleLoop, type LoopOptions, type Watch, type LoopPorts } from './cycle-loop.ts';
import { openSession, type SessionOptions, type SessionPorts } from './directory-operations.ts';
import type { HistoryFiles } from './history.ts';
import { Layout } from './layout.ts';
import type { VolumeOperations } from './operations.ts';
import { cycleLength } from './phases/cycle.ts';
import { placeInstance } from './place.ts';
import type { Hold, Session, Settled, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import type { InvariantError } from '../machine/invariant.ts';

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

/** The local queue hands out and settles, the cycle loop does the rest. */
export class VolumeSession implements Session {
  /** Each settlement waits for Update System, and the queue settles all that has come by then. */
  readonly concurrentSettles: number = Number.POSITIVE_INFINITY;
  readonly #loop: CycleLoop;
  #ended: Promise<void> = Promise.resolve();
  #problem: Error | undefined;

  private constructor(loop: CycleLoop) {
    this.#loop = loop;
  }

  /** Throws a `UserError` for what a user must change on the volume. */
  static async open(
    ports: LoopPorts,
    worker: WorkerInfo,
    options: LoopOptions,
  ): Promise<VolumeSession> {
    const loop = new CycleLoop(ports, worker, options);
    await loop.open();
    const session = new VolumeSession(loop);
    session.#ended = loop.run().catch((error: unknown) => {
      session.#problem = error as Error;
      loop.queue.fail(error);
    });
    return session;
  }

  get isIdle(): boolean {
    return this.#loop.queue.isIdle && this.#loop.queue.isEmpty;
  }

  get unreadable(): number {
    return this.#loop.queue.unreadable;
  }

  now(): string {
    return this.#loop.operations.stamp();
  }

  take(limit: number, signal: AbortSignal): Promise<readonly Task[] | 'drained'> {
    const problem = this.#loop.bug ?? this.#problem;
    if (problem !== undefined) return Promise.reject(problem);
    try {
      return this.#loop.queue.take(limit, signal);
    } catch (error) {
      this.#loop.crash(error);
      return Promise.reject(error);
    }
  }

  settle(settlements: readonly Settlement[]): Promise<readonly Settled[]> {
    if (this.#loop.bug !== undefined) return Promise.reject(this.#loop.bug);
    const settled = this.#loop.queue.finish(settlements);
    settled.catch((error: unknown) => this.#loop.crash(error));
    return settled;
  }

  setDeadline(hold: Hold, at: number): void {
    this.#loop.queue.setDeadline(hold, at);
  }

  async close(drainMs: number): Promise<void> {
    this.#loop.end(drainMs);
    await this.#ended;
    if (this.#loop.bug !== undefined) throw this.#loop.bug;
  }

  abort(reason: InvariantError): void {
    this.#loop.crash(reason);
  }
}
