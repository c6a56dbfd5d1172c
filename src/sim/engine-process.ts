/** A simulated worker process on any engine: the real worker, with a connection whose calls can fail. */
import type { Registry } from '../machine/registry.ts';
import { describeCallFault, type CallFaultSource } from './call-faults.ts';
import { Connection, type EngineCaller, type SessionObserver } from './connection.ts';
import type { StoreUnderTest } from './engine-under-test.ts';
import type { HostClock } from './host-clock.ts';
import {
  HostProcess,
  type Exit,
  type HostProcessOptions,
  type ProcessWorld,
} from './host-process.ts';
import type { Injection } from './outcome.ts';
import { traceLog } from './process-options.ts';

export interface EngineProcessOptions extends HostProcessOptions {
  /** Milliseconds that a call takes, about. */
  readonly latency: number;
}

/** The simulation's interface to processes on an engine. */
export interface EngineWorld extends ProcessWorld {
  readonly store: StoreUnderTest;
  readonly observer: SessionObserver;
  readonly callFaults: CallFaultSource;
  injected(injection: Injection): void;
  /** A call of the engine begins. */
  called(): void;
  ticked(process: string, state: string): void;
  /** The engine has thrown what it must not. */
  crashed(error: unknown): void;
}

export class EngineProcess extends HostProcess<EngineProcessOptions> {
  readonly #world: EngineWorld;
  readonly #connection: Connection;

  constructor(world: EngineWorld, name: string, clock: HostClock, options: EngineProcessOptions) {
    super(world, name, clock, options);
    this.#world = world;
    const begin = callCounter(world, name);
    const caller: EngineCaller = {
      isAlive: () => this.isAlive,
      begin,
      latency: () => options.latency * (0.5 + this.prng.next()),
      later: (ms, act) => void world.at(world.now() + ms, act),
      deliver: (act) => this.deliver(act),
      crashed: (error) => world.crashed(error),
      engineTime: (at) => world.now() + clock.real(at - clock.monotonic()),
    };
    this.#connection = new Connection(world.store, caller, world.observer);
    void this.ended.then(() => this.#connection.end());
  }

  protected async run(registry: Registry): Promise<Exit> {
    const world = this.#world;
    return this.work(this.#connection.engine, registry, {
      clock: this.clockPort(),
      log: traceLog((text) => world.trace(this.name, text)),
      onTick: (state) => world.ticked(this.name, state),
    });
  }
}

/** Numbers the calls of a process, and tells the faults that they meet. */
export function callCounter(world: EngineWorld, name: string): EngineCaller['begin'] {
  let calls = 0;
  return (method) => {
    calls += 1;
    world.called();
    const id = `${name}#${calls}`;
    const fault = world.callFaults(name, calls);
    const what = `${method}${fault === undefined ? '' : `: ${describeCallFault(fault)}`}`;
    if (fault !== undefined) world.injected({ id, kind: fault.kind, what });
    world.trace(name, () => `#${calls} ${what}`);
    return fault;
  };
}
