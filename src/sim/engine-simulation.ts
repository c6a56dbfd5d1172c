/** One run on an engine under test, through connections that fail. */
import { DEFAULT_GRACE_MS } from '../machine/decide.ts';
import { randomCallFaults, type CallFaultSource } from './faults.ts';
import { EngineOracle } from './engine-oracle.ts';
import {
  EngineProcess,
  EngineUser,
  type EngineProcessOptions,
  type EngineWorld,
} from './engine-callers.ts';
import type { EngineFault, EngineScenario } from './engine-scenario.ts';
import type { EngineUnderTest, StoreUnderTest } from './engine-under-test.ts';
import { eyeMachine, CHAIN_ATTEMPTS } from './workloads.ts';
import type { HostClock } from './virtual-time.ts';
import type { RunOutcome } from './outcome.ts';
import type { InstanceEnd, InstanceEnds, OwnEvent } from './own-work.ts';
import { Prng } from './prng.ts';
import { SimulatedRun, type RunOptions, type Timeline } from './run.ts';

/** A user's machines have this besides. */
const OWN_LIVENESS_MS = 86_400_000;
const MIN_POLL_INTERVAL_MS = 1000;
/** Of leases: a thread that a tick blocks goes on some time, and so does the store in it. */
const MAX_BLOCKED_LEASES = 10;

export async function simulateEngine(
  scenario: EngineScenario,
  underTest: EngineUnderTest,
  options: RunOptions = {},
): Promise<RunOutcome> {
  const timeline = underTest.timeline(scenario.start);
  const prng = new Prng(`${scenario.seed}/store`);
  const now = (): number => timeline.now;
  const store = await underTest.open({
    clock: {
      now,
      monotonic: now,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const cancel = timeline.at(timeline.now + ms, resolve);
          const wake = (): void => {
            cancel();
            resolve();
          };
          if (signal?.aborted === true) wake();
          else signal?.addEventListener('abort', wake, { once: true });
        }),
    },
    random: () => prng.next(),
    leaseMs: scenario.lease,
  });
  return new EngineSimulation(scenario, timeline, store, options).run();
}

class EngineSimulation
  extends SimulatedRun<EngineProcessOptions, EngineProcess, EngineFault>
  implements EngineWorld
{
  readonly store: StoreUnderTest;
  readonly observer: EngineOracle;
  readonly callFaults: CallFaultSource;
  readonly #scenario: EngineScenario;
  readonly #user: EngineUser;

  constructor(
    scenario: EngineScenario,
    timeline: Timeline,
    store: StoreUnderTest,
    options: RunOptions,
  ) {
    const { seed, calm, pace, lease } = scenario;
    const traits = {
      pace,
      maxBlockMs: MAX_BLOCKED_LEASES * lease,
      graceMs: { simulators: DEFAULT_GRACE_MS, users: OWN_LIVENESS_MS },
      machines: [eyeMachine()],
    };
    super(scenario, timeline, traits, options);
    this.store = store;
    this.#scenario = scenario;
    this.observer = new EngineOracle(() => this.now(), store.engine, {
      ticks: options.own === undefined ? (calm ? 1 : CHAIN_ATTEMPTS) : Number.POSITIVE_INFINITY,
      registry: this.registry({ kill: () => undefined, block: () => undefined }),
    });
    const faults = randomCallFaults(seed, scenario.rates, scenario.maxDelay);
    this.callFaults = (process, call) =>
      this.isHealing || !this.record.isAllowed(`${process}#${call}`)
        ? undefined
        : faults(process, call);
    this.#user = new EngineUser(this, this.observer, pace / 100, pace);
  }

  protected get oracle(): EngineOracle {
    return this.observer;
  }

  protected get states(): number {
    return this.observer.states;
  }

  protected get sendTimes(): Prng {
    return this.prng;
  }

  protected get isAllDone(): boolean {
    return this.#user.pending === 0 && this.observer.unsettled() === undefined;
  }

  protected newProcess(
    name: string,
    clock: HostClock,
    options: EngineProcessOptions,
  ): EngineProcess {
    return new EngineProcess(this, name, clock, options);
  }

  protected beginOf(host: number): number {
    return this.#scenario.hosts[host]!.begin;
  }

  protected submit(name: string, content: string): void {
    this.#user.submit(name, content);
  }

  protected send(event: OwnEvent): void {
    this.#user.send(event);
  }

  protected joined(state: string, outputs: Readonly<Record<string, unknown>>): void {
    this.observer.hasJoined(state, outputs);
  }

  protected replacedBy(): readonly string[] {
    return ['submit', 'submit file'];
  }

  called(): void {
    this.record.operations += 1;
  }

  ticked(_process: string, state: string): void {
    this.record.ticks += 1;
    this.observer.ticked(state);
  }

  protected inject(fault: EngineFault): void {
    const user = this.#user;
    switch (fault.kind) {
      case 'submit file':
        return user.submit(fault.name, fault.content);
      case 'send': {
        const { to, event, eventId: id, hops } = fault;
        return user.send({ to, id, event, details: { hops } });
      }
      case 'retry':
        return user.retryAll();
      case 'pause':
        return user.pause(fault.ms);
      default:
        this.injectCommon(fault);
    }
  }

  protected async startCore(limit: number): Promise<void> {
    this.#user.resume();
    for (const [index, { process }] of this.fleet.hosts.entries()) {
      process?.resume();
      if (!this.#scenario.core.includes(index)) process?.kill();
      else if (process?.isAlive !== true) this.fleet.startSoon(index, 0);
    }
    this.#pollUntil(limit);
    await this.timeline.run(() => this.isBad || this.#user.pending === 0, limit);
    this.quietSince = this.now();
  }

  #pollUntil(limit: number): void {
    this.observer.poll().catch((error: unknown) => this.crashed(error));
    const next = this.now() + Math.max(this.lease, MIN_POLL_INTERVAL_MS);
    if (next < limit) this.at(next, () => this.#pollUntil(limit));
  }

  protected onStuck(stays: boolean): void {
    this.observer.isStuck(stays ? 'all to be done' : 'every worker to end');
  }

  /** An engine under test recovers by itself. */
  protected async tidyUp(): Promise<void> {}

  protected finish(): Promise<void> {
    return this.observer.finish();
  }

  protected async ends(): Promise<InstanceEnds> {
    const ends = new Map<string, InstanceEnd>();
    for (const instance of this.observer.instances) {
      const { name, flag, state, payload, output, reason } =
        (await this.store.engine.get(instance))!;
      const settled = flag === 'archived' ? 'done' : flag;
      const isSettled = settled === 'done' || settled === 'failed';
      const end = { flag: isSettled ? settled : 'waiting', name, state, payload, output, reason };
      ends.set(instance, end as InstanceEnd);
    }
    return ends;
  }
}
