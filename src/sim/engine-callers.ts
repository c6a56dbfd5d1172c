/** The callers of an engine under test: simulated worker processes, and a user. */
import type { Registry } from '../machine/registry.ts';
import { describeCallFault, type CallFaultSource } from './faults.ts';
import {
  Connection,
  type EngineCaller,
  type SessionObserver,
  type StoreUnderTest,
} from './engine-under-test.ts';
import type { HostClock } from './virtual-time.ts';
import {
  HostProcess,
  traceLog,
  type Exit,
  type HostProcessOptions,
  type ProcessWorld,
} from './host-process.ts';
import type { Injection } from './outcome.ts';
import { UserError } from '../machine/errors.ts';
import type { EngineOracle } from './engine-oracle.ts';
import type { OwnEvent } from './own-work.ts';

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

/** The real worker, with a connection whose calls can fail. */
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
function callCounter(world: EngineWorld, name: string): EngineCaller['begin'] {
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

const USER = 'user';
const encoder = new TextEncoder();

/** Each call is repeated until it succeeds: the engine promises that it may be. */
export class EngineUser {
  readonly #world: EngineWorld;
  readonly #oracle: EngineOracle;
  readonly #connection: Connection;
  readonly #retryMs: number;
  /** Calls that have not succeeded yet. */
  pending = 0;

  /** `retryMs`: before a call that failed is repeated. */
  constructor(world: EngineWorld, oracle: EngineOracle, latencyMs: number, retryMs: number) {
    this.#world = world;
    this.#oracle = oracle;
    this.#retryMs = retryMs;
    this.#connection = new Connection(
      world.store,
      {
        isAlive: () => true,
        begin: callCounter(world, USER),
        latency: () => latencyMs,
        later: (ms, act) => void world.at(world.now() + ms, act),
        deliver: (act) => act(),
        crashed: (error) => world.crashed(error),
        engineTime: (at) => at,
      },
      oracle,
    );
  }

  submit(name: string, text: string): void {
    this.#insist('submit', async () => {
      const states = [{ name, bytes: encoder.encode(text) }];
      const [result] = await this.#world.store.engine.submit(states);
      if (result !== 'name taken') this.#oracle.submitted(name, text);
    });
  }

  send({ to, id, ...file }: OwnEvent): void {
    this.#insist('send', async () => {
      const [result] = await this.#world.store.engine.send([{ to, id, file }]);
      if (result?.kind === 'sent') this.#oracle.sent(result.name);
    });
  }

  /** All states that have failed. */
  retryAll(): void {
    for (const name of this.#oracle.failed) {
      this.#insist('retry', async () => {
        const [isRetried] = await this.#world.store.engine.retry([name]);
        if (isRetried === true) this.#oracle.retried(name);
      });
    }
  }

  pause(ms: number): void {
    this.#insist('pause', async () => {
      await this.#world.store.engine.pause(USER);
      this.#oracle.paused(true);
      this.#world.at(this.#world.now() + ms, () => this.resume());
    });
  }

  resume(): void {
    this.#insist('resume', async () => {
      this.#oracle.paused(false);
      await this.#world.store.engine.resume();
    });
  }

  /** What the engine refuses, with a reason for the user, is not repeated. */
  #insist(method: string, act: () => Promise<void>): void {
    this.pending += 1;
    const attempt = (): void => {
      this.#connection.call(method, act).then(
        () => void (this.pending -= 1),
        (error: unknown) => {
          if (error instanceof UserError) this.pending -= 1;
          else this.#world.at(this.#world.now() + this.#retryMs, attempt);
        },
      );
    };
    attempt();
  }
}
