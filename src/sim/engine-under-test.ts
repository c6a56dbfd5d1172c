/**
 * The port of an engine under simulation: how a store is made, how a process on it is killed, and which faults it must stand.
 * The scenario, its workers and the oracle know nothing else of it.
 */
import { memoryEngine } from '../engine/memory.ts';
import type { Engine } from '../engine/engine.ts';
import type { Clock, Random } from '../engine/ports.ts';
import type { Hold, Session } from '../engine/session.ts';
import type { CallFaultKind } from './call-faults.ts';
import { EventQueue } from './event-queue.ts';
import type { Timeline } from './run.ts';

export interface StoreUnderTest {
  readonly engine: Engine;
  /**
   * The process of this session is killed, or has lost its connection; `holds`: all that were handed out to it. Resolves when
   * nothing of the session is left; rejects only if the engine has a mistake.
   */
  kill(session: Session, holds: readonly Hold[]): Promise<void>;
}

export interface StorePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly leaseMs: number;
}

export interface EngineUnderTest {
  readonly callFaults: ReadonlySet<CallFaultKind>;
  timeline(start: number): Timeline;
  /** Opens a new, empty store. */
  open(ports: StorePorts): Promise<StoreUnderTest>;
}

/**
 * The memory engine. Its sessions have no heartbeat: the holds of a killed process expire by their deadlines, and its session
 * is closed, as that of a worker that was abandoned.
 */
export const MEMORY: EngineUnderTest = {
  callFaults: new Set(['lost', 'refused', 'slow']),
  timeline: (start) => new EventQueue(start),
  open: async (ports) => ({
    engine: memoryEngine(ports),
    kill: (session, holds) => {
      for (const hold of holds) session.setDeadline(hold, ports.clock.monotonic());
      return session.close(0);
    },
  }),
};
