/**
 * The port of an engine under simulation: how a store is made, how a process on it is killed, and which faults it must stand;
 * and the connections to it. The scenario, its workers and the oracle know nothing else of it.
 */
import { memoryEngine } from '../engine/memory.ts';
import type { Engine } from '../engine/engine.ts';
import type { Clock, Random } from '../engine/ports.ts';
import type { Hold, Session, Settled, Settlement, Task, WorkerInfo } from '../engine/session.ts';
import type { CallFaultKind, CallFault } from './faults.ts';
import { EventQueue } from './virtual-time.ts';
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

/** The process that calls. Times are milliseconds. */
export interface EngineCaller {
  isAlive(): boolean;
  /** A call begins: the fault to inject into it. */
  begin(method: string): CallFault | undefined;
  /** Of one way. */
  latency(): number;
  later(ms: number, act: () => void): void;
  /** Calls `act` as soon as the process can run. */
  deliver(act: () => void): void;
  /** The engine has thrown what it must not. */
  crashed(error: unknown): void;
  /** The engine's clock at `at` of the process's. */
  engineTime(at: number): number;
}

/** Told what the engine did, whether the caller gets to know it or not. */
export interface SessionObserver {
  joined(session: Session, worker: WorkerInfo): void;
  /** The session takes nothing more. */
  closing(session: Session): void;
  /** Its process has ended, or its connection is lost: what it holds expires. */
  killed(session: Session): void;
  taken(session: Session, taken: readonly Task[] | 'drained'): void;
  promised(hold: Hold, at: number): void;
  /** A call of `settle` takes effect from now on. */
  settling(settlements: readonly Settlement[]): void;
  /** `unmoved`: of the instances that commits have observed, those that did not move meanwhile, with their last state files. */
  settled(
    settlements: readonly Settlement[],
    results: readonly Settled[],
    unmoved: ReadonlyMap<string, string | undefined>,
  ): void;
}

/** A call that had no effect, or whose reply was lost. */
class ConnectionError extends Error {
  override readonly name: string = 'ConnectionError';
  readonly code: string = 'ECONNRESET';
}

/**
 * The connection of one simulated process, or of a user: calls take time, fail, or lose their replies. What really happened is
 * reported to an observer.
 */
export class Connection {
  readonly engine: Pick<Engine, 'id' | 'configurations' | 'join'>;
  readonly #store: StoreUnderTest;
  readonly #caller: EngineCaller;
  readonly #observer: SessionObserver;
  /** What was handed out to each session, and is not settled. */
  readonly #held = new Map<Session, Set<Hold>>();

  constructor(store: StoreUnderTest, caller: EngineCaller, observer: SessionObserver) {
    this.#store = store;
    this.#caller = caller;
    this.#observer = observer;
    const { id, configurations } = store.engine;
    this.engine = {
      id,
      configurations: {
        put: (...args) => this.call('configurations.put', () => configurations.put(...args)),
        get: (key) => this.call('configurations.get', () => configurations.get(key)),
        list: () => this.call('configurations.list', () => configurations.list()),
      },
      join: (worker) => this.#join(worker),
    };
  }

  /** `onLost`: undoes what a lost reply leaves behind. */
  call<Value>(
    method: string,
    act: () => Promise<Value>,
    onLost: (value: Value) => void = () => undefined,
  ): Promise<Value> {
    const caller = this.#caller;
    // A process that was killed does nothing more, whatever its code still hears.
    if (!caller.isAlive()) return new Promise(() => undefined);
    const fault = caller.begin(method);
    return new Promise((resolve, reject) => {
      const reply = (answer: () => void): void =>
        caller.later(caller.latency(), () => caller.deliver(answer));
      const fail = (what: string): void =>
        reply(() => reject(new ConnectionError(`${method}: ${what}`)));
      caller.later(caller.latency() + (fault?.kind === 'slow' ? fault.delay : 0), () => {
        if (fault?.kind === 'refused') return fail('refused');
        act().then(
          (value) => {
            if (fault?.kind !== 'lost') return reply(() => resolve(value));
            onLost(value);
            return fail('reply lost');
          },
          (error: unknown) => reply(() => reject(error)),
        );
      });
    });
  }

  /** The process has ended: its sessions go with it. */
  end(): void {
    for (const [session, held] of this.#held) this.#kill(session, held);
  }

  #kill(session: Session, held: ReadonlySet<Hold>): void {
    this.#observer.killed(session);
    this.#store.kill(session, [...held]).catch((error: unknown) => this.#caller.crashed(error));
  }

  async #join(worker: WorkerInfo): Promise<Session> {
    const held = new Set<Hold>();
    const join = async (): Promise<Session> => {
      const session = await this.#store.engine.join(worker);
      this.#held.set(session, held);
      this.#observer.joined(session, worker);
      if (!this.#caller.isAlive()) this.#kill(session, held);
      return session;
    };
    const inner = await this.call('join', join, (lost) => this.#kill(lost, held));
    return {
      get isIdle() {
        return inner.isIdle;
      },
      get unreadable() {
        return inner.unreadable;
      },
      concurrentSettles: inner.concurrentSettles,
      now: () => inner.now(),
      take: (limit, signal) => this.#take(inner, held, limit, signal),
      settle: (settlements) => this.#settle(inner, held, settlements),
      setDeadline: (hold, at) => {
        if (!this.#caller.isAlive()) return;
        const time = this.#caller.engineTime(at);
        inner.setDeadline(hold, time);
        this.#observer.promised(hold, time);
      },
      abort: (reason) => {
        this.#observer.killed(inner);
        inner.abort(reason);
      },
      close: (drainMs) => {
        if (this.#caller.isAlive()) this.#observer.closing(inner);
        return this.call('close', () => inner.close(drainMs));
      },
    };
  }

  #take(
    inner: Session,
    held: Set<Hold>,
    limit: number,
    signal: AbortSignal,
  ): Promise<readonly Task[] | 'drained'> {
    const abort = new AbortController();
    const end = (): void => this.#caller.later(this.#caller.latency(), () => abort.abort('ended'));
    const take = async (): Promise<readonly Task[] | 'drained'> => {
      const taken = await inner.take(limit, abort.signal);
      if (taken !== 'drained') for (const task of taken) held.add(task);
      // After what else happens at this moment: a settlement of another session may have caused it.
      this.#caller.later(0, () => this.#observer.taken(inner, taken));
      if (!this.#caller.isAlive()) this.#kill(inner, held);
      return taken;
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return this.call('take', take, () => this.#kill(inner, held)).finally(() =>
      signal.removeEventListener('abort', end),
    );
  }

  #settle(
    inner: Session,
    held: Set<Hold>,
    settlements: readonly Settlement[],
  ): Promise<readonly Settled[]> {
    return this.call('settle', async () => {
      const read = settlements.flatMap(({ outcome }) =>
        outcome.kind === 'commit' ? (outcome.readSet ?? []) : [],
      );
      const before = await this.#lastOf(read);
      this.#observer.settling(settlements);
      const results = await inner.settle(settlements);
      const after = await this.#lastOf(read);
      for (const { hold } of settlements) held.delete(hold);
      const unmoved = new Map([...after].filter(([one, last]) => before.get(one) === last));
      this.#observer.settled(settlements, results, unmoved);
      return results;
    });
  }

  /** The last state file by instance. */
  async #lastOf(instances: readonly string[]): Promise<Map<string, string | undefined>> {
    const last = new Map<string, string | undefined>();
    for (const one of instances) last.set(one, (await this.#store.engine.get(one))?.name);
    return last;
  }
}
