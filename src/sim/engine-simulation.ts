/**
 * One run: real workers on an engine under test, through connections that fail. First *safety*, with the scenario's faults;
 * then faults stop, and *liveness*: a surviving core must finish.
 */
import { createRegistry, type Registry } from '../machine/registry.ts';
import { DEFAULT_GRACE_MS } from '../machine/decide.ts';
import { randomCallFaults, type CallFaultSource } from './call-faults.ts';
import { EngineOracle } from './engine-oracle.ts';
import { EngineProcess, type EngineProcessOptions, type EngineWorld } from './engine-process.ts';
import type { EngineFault, EngineScenario } from './engine-scenario.ts';
import type { EngineUnderTest, StoreUnderTest, Timeline } from './engine-under-test.ts';
import { EngineUser } from './engine-user.ts';
import { eyeMachine, LAMP_STATE, lampMachine } from './event-workload.ts';
import { Fleet } from './fleet.ts';
import { treeMachine, treeState } from './fork-workload.ts';
import type { Exit } from './host-process.ts';
import { CHAIN_ATTEMPTS, chainMachine, chainState, type Host } from './machines.ts';
import {
  isExpectedEnd,
  judgeRun,
  type Injection,
  type RunOutcome,
  type Violation,
} from './outcome.ts';
import { Prng } from './prng.ts';
import { RunRecord, TICK_FAULTS, type RecordOptions } from './run-record.ts';
import { complaint, firstStates, type InstanceEnd, type OwnWork } from './own-work.ts';

const LIVENESS_LEASES = 30;
const LIVENESS_PACES = 150;
/** What a user's machines have besides: their timers and retries may take long. */
const OWN_LIVENESS_MS = 86_400_000;
const MIN_POLL_INTERVAL_MS = 1000;
/** Of the time with faults: when a user's last event is sent. */
const LAST_EVENT = 0.9;
/** Of leases: a thread that a tick blocks goes on some time, and so does the store in it. */
const MAX_BLOCKED_LEASES = 10;

export interface EngineRunOptions extends RecordOptions {
  /** Replaces the simulator's own machines and instances. */
  readonly own?: OwnWork;
}

export async function simulateEngine(
  scenario: EngineScenario,
  underTest: EngineUnderTest,
  options: EngineRunOptions = {},
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

class EngineSimulation implements EngineWorld {
  readonly seed: string;
  readonly store: StoreUnderTest;
  readonly observer: EngineOracle;
  readonly callFaults: CallFaultSource;
  readonly #scenario: EngineScenario;
  readonly #timeline: Timeline;
  readonly #record: RunRecord;
  readonly #own: OwnWork | undefined;
  readonly #prng: Prng;
  readonly #user: EngineUser;
  readonly #fleet: Fleet<EngineProcessOptions, EngineProcess>;
  #healing = false;
  /** The user's last call had arrived: a worker that was started before may have found nothing left to do, and have ended. */
  #quietSince = Number.POSITIVE_INFINITY;
  #crash: unknown;
  /** Of the user's own check. */
  #complaint: Violation | undefined;

  constructor(
    scenario: EngineScenario,
    timeline: Timeline,
    store: StoreUnderTest,
    options: EngineRunOptions,
  ) {
    const { seed, start, calm, pace } = scenario;
    this.seed = seed;
    this.store = store;
    this.#scenario = scenario;
    this.#timeline = timeline;
    this.#own = options.own;
    this.#record = new RunRecord(options, () => this.now() - start);
    this.#prng = new Prng(`${seed}/world`);
    this.observer = new EngineOracle(() => this.now(), store.engine, {
      ticks: options.own === undefined ? (calm ? 1 : CHAIN_ATTEMPTS) : Number.POSITIVE_INFINITY,
      registry: this.#registry({ kill: () => undefined, block: () => undefined }),
    });
    const faults = randomCallFaults(seed, scenario.rates, scenario.maxDelay);
    this.callFaults = (process, call) =>
      this.#healing || !this.#record.isAllowed(`${process}#${call}`)
        ? undefined
        : faults(process, call);
    this.#user = new EngineUser(this, this.observer, pace / 100, pace);
    this.#fleet = new Fleet(this, this.#prng, scenario.hosts, {
      make: (...process) => new EngineProcess(this, ...process),
      registry: (host, { lacks }) => this.#registry(host, lacks),
      onTickFault: (kind, act) => {
        this.#record.count(kind);
        act();
      },
      onEnded: (_process, exit) => this.#ended(exit),
      mayHaveLookedTooEarly: ({ born }) => this.#healing && born < this.#quietSince,
      mayRestart: (host) => !this.#healing || scenario.core.includes(host),
    });
  }

  now(): number {
    return this.#timeline.now;
  }

  at(time: number, act: () => void): () => void {
    return this.#timeline.at(time, act);
  }

  trace(who: string, text: () => string): void {
    this.#record.trace(who, text);
  }

  injected(injection: Injection): void {
    this.#record.injected(injection);
  }

  called(): void {
    this.#record.operations += 1;
  }

  ticked(_process: string, state: string): void {
    this.#record.ticks += 1;
    this.observer.ticked(state);
  }

  crashed(error: unknown): void {
    this.#crash ??= error;
  }

  async run(): Promise<RunOutcome> {
    const { start, safety, hosts, scheduled } = this.#scenario;
    try {
      this.#submitAll();
      for (const [host, { begin }] of hosts.entries()) this.#fleet.startSoon(host, begin);
      for (const fault of scheduled) {
        if (this.#record.isAllowed(fault.id) && this.#isKnown(fault))
          this.at(start + fault.at, () => this.#inject(fault));
      }
      await this.#timeline.run(() => this.#isBad, start + safety);
      if (!this.#isBad) await this.#heal();
    } catch (error) {
      this.#crash ??= error;
    }
    for (const process of this.#fleet.processes) process.kill();
    return this.#outcome();
  }

  get #isBad(): boolean {
    return this.observer.violation !== undefined || this.#crash !== undefined;
  }

  #submitAll(): void {
    const { instances, start, safety } = this.#scenario;
    for (const [name, content] of firstStates(this.#own, instances))
      this.#user.submit(name, content);
    for (const event of this.#own?.events ?? []) {
      const at = start + this.#prng.between(0, LAST_EVENT) * safety;
      this.at(at, () => this.#user.send(event));
    }
  }

  /** A user's machines replace the simulator's own, and their work. */
  #isKnown({ kind }: EngineFault): boolean {
    return (
      this.#own === undefined || !['submit', 'submit file', 'lamp', 'tree', 'send'].includes(kind)
    );
  }

  #registry(host: Host, lacks: readonly string[] = []): Registry {
    const { tickFaults, pace, lease } = this.#scenario;
    const options = {
      seed: this.seed,
      tickFaults,
      cycle: pace,
      lease,
      mayMisbehave: () => !this.#healing && this.#record.isAllowed(TICK_FAULTS),
      joined: (instance: string, outputs: object) =>
        this.observer.hasJoined(instance, { ...outputs }),
    };
    if (this.#own !== undefined) return this.#own.registry;
    const bounded: Host = {
      kill: () => host.kill(),
      block: (ms) => host.block(Math.min(ms, MAX_BLOCKED_LEASES * lease)),
    };
    const machines = [
      chainMachine(options, bounded),
      lampMachine(pace),
      treeMachine(options, bounded),
      eyeMachine(),
    ];
    return createRegistry(machines.filter(({ name }) => !lacks.includes(name)));
  }

  #ended(exit: Exit): void {
    if (exit.kind === 'refused' && !isExpectedEnd(exit.error)) this.#crash ??= exit.error;
  }

  #inject(fault: EngineFault): void {
    const what = JSON.stringify(fault);
    this.injected({ id: fault.id, kind: fault.kind, what });
    this.trace('', () => what);
    const user = this.#user;
    switch (fault.kind) {
      case 'submit':
        return user.submit(fault.name, chainState(fault.steps));
      case 'submit file':
        return user.submit(fault.name, fault.content);
      case 'lamp':
        return user.submit(`${fault.name}.state`, LAMP_STATE);
      case 'tree':
        return user.submit(`${fault.name}.state`, treeState(fault.tree));
      case 'send': {
        const { to, event, eventId: id, hops } = fault;
        return user.send({ to, id, event, details: { hops } });
      }
      case 'retry':
        return user.retryAll();
      case 'pause':
        return user.pause(fault.ms);
      default:
        this.#injectIntoHost(fault);
    }
  }

  #injectIntoHost(fault: Extract<EngineFault, { host: number }>): void {
    const { process } = this.#fleet.hosts[fault.host]!;
    switch (fault.kind) {
      case 'kill':
        return process?.kill();
      case 'stop':
        process?.askToStop();
        return this.#fleet.startSoon(fault.host, fault.restart);
      case 'suspend':
        return process?.suspend(fault.ms);
      case 'twin': {
        const twin = this.#fleet.launch(fault.host);
        this.at(this.now() + fault.ms, () => twin.kill());
      }
    }
  }

  /** Liveness: faults stop, the core runs, all other processes are killed. */
  async #heal(): Promise<void> {
    const { lease, pace, core, hosts } = this.#scenario;
    this.#healing = true;
    this.trace('', () => 'faults stop');
    this.#user.resume();
    for (const [index, { process }] of this.#fleet.hosts.entries()) {
      process?.resume();
      if (!core.includes(index)) process?.kill();
      else if (process?.isAlive !== true) this.#fleet.startSoon(index, 0);
    }
    const more = this.#own?.stateFiles === undefined ? DEFAULT_GRACE_MS : OWN_LIVENESS_MS;
    const limit = this.now() + LIVENESS_LEASES * lease + LIVENESS_PACES * pace + more;
    this.#pollUntil(limit);
    await this.#timeline.run(() => this.#isBad || this.#user.pending === 0, limit);
    this.#quietSince = this.now();
    const stays = hosts[0]!.options.watch;
    const isOver = (): boolean => (stays ? this.#isAllDone : this.#fleet.isEmpty);
    await this.#timeline.run(() => this.#isBad || isOver(), limit);
    if (!isOver()) this.observer.isStuck(stays ? 'all to be done' : 'every worker to end');
    this.#fleet.close();
    await this.#dismissAll();
    if (!this.#isBad) await this.observer.finish();
    if (!this.#isBad && this.#own !== undefined)
      this.#complaint = complaint(this.#own, await this.#ends());
  }

  async #ends(): Promise<Map<string, InstanceEnd>> {
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

  #pollUntil(limit: number): void {
    this.observer.poll().catch((error: unknown) => this.crashed(error));
    const next = this.now() + Math.max(this.#scenario.lease, MIN_POLL_INTERVAL_MS);
    if (next < limit) this.at(next, () => this.#pollUntil(limit));
  }

  get #isAllDone(): boolean {
    return this.#user.pending === 0 && this.observer.unsettled() === undefined;
  }

  async #dismissAll(): Promise<void> {
    const { processes } = this.#fleet;
    for (const process of processes) process.askToStop();
    const limit = this.now() + 20 * this.#scenario.lease;
    await this.#timeline.run(() => this.#isBad || processes.size === 0, limit);
    for (const process of processes) {
      this.trace(process.name, () => 'has not ended in time');
      process.kill();
    }
  }

  #outcome(): RunOutcome {
    const { violation, commits, states } = this.observer;
    const { operations, ticks, counts, injections } = this.#record;
    return {
      seed: this.seed,
      ...judgeRun(this.#crash, violation ?? this.#complaint),
      time: this.now() - this.#scenario.start,
      events: this.#timeline.events,
      operations,
      states,
      commits,
      ticks,
      faults: counts,
      injected: injections,
    };
  }
}
