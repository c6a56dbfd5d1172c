/**
 * One run on any engine: real workers in virtual time. First *safety*, with the scenario's faults; then faults stop, and
 * *liveness*: a surviving core must finish. What differs by engine is abstract.
 */
import type { Machine } from '../machine/definition.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';
import {
  LAMP_STATE,
  lampMachine,
  chainMachine,
  chainState,
  treeMachine,
  treeState,
  type Host,
} from './workloads.ts';
import type { EventQueue, HostClock } from './virtual-time.ts';
import { Fleet, type HostPlan } from './fleet.ts';
import type { Exit, HostProcess, HostProcessOptions, ProcessWorld } from './host-process.ts';
import {
  isExpectedEnd,
  judgeRun,
  RunRecord,
  TICK_FAULTS,
  type Injection,
  type RunOutcome,
  type Violation,
  type RecordOptions,
} from './outcome.ts';
import {
  complaint,
  firstStates,
  type InstanceEnds,
  type OwnEvent,
  type OwnWork,
} from './own-work.ts';
import { Prng } from './prng.ts';
import type { CommonFault, RunPlan } from './scenario.ts';

/** Liveness: all must be done this many leases plus paces after the last fault. */
export const LIVENESS_LEASES = 30;
export const LIVENESS_PACES = 150;
/** Of the time with faults: when a user's last event is sent. */
const LAST_EVENT = 0.9;
/** Of leases: what all workers have to stop. */
const STOP_LEASES = 20;

export interface RunOptions extends RecordOptions {
  /** Replaces the simulator's own machines and instances. */
  readonly own?: OwnWork;
}

/** The time of a run: virtual, or for a real server real. */
export type Timeline = Pick<EventQueue, 'now' | 'at' | 'run' | 'events'>;

/** What a run needs to know of its scenario. */
export interface RunScenario<Options extends HostProcessOptions, Fault> extends RunPlan {
  readonly hosts: readonly HostPlan<Options>[];
  readonly scheduled: readonly (Fault & { readonly id: string; readonly at: number })[];
}

/** How an engine changes the run. Times are milliseconds. */
export interface EngineTraits {
  /** The unit of pauses, timeouts and retries: a cycle, where there are cycles. */
  readonly pace: number;
  /** The longest that a tick blocks its process. */
  readonly maxBlockMs: number;
  /** Liveness has this besides: with the simulator's instances, and with a user's, whose timers and retries may take long. */
  readonly graceMs: { readonly simulators: number; readonly users: number };
  /** Machines besides chains, lamps and trees. */
  readonly machines: readonly Machine[];
}

export abstract class SimulatedRun<
  Options extends HostProcessOptions,
  Process extends HostProcess<Options>,
  Fault extends { readonly kind: string },
> implements ProcessWorld {
  readonly seed: string;
  protected readonly timeline: Timeline;
  protected readonly record: RunRecord;
  protected readonly own: OwnWork | undefined;
  protected readonly prng: Prng;
  protected readonly fleet: Fleet<Options, Process>;
  protected readonly lease: number;
  protected readonly pace: number;
  protected isHealing = false;
  /** The last change by a user or a fault: a worker that was started before may have found nothing left to do, and have ended. */
  protected quietSince: number = Number.POSITIVE_INFINITY;
  readonly #scenario: RunScenario<Options, Fault>;
  readonly #traits: EngineTraits;
  #crash: unknown;
  /** Of the user's own check. */
  #complaint: Violation | undefined;

  constructor(
    scenario: RunScenario<Options, Fault>,
    timeline: Timeline,
    traits: EngineTraits,
    options: RunOptions,
  ) {
    const { seed, start, hosts, core } = scenario;
    this.seed = seed;
    this.timeline = timeline;
    this.own = options.own;
    this.pace = traits.pace;
    this.lease = hosts[0]!.options.lease;
    this.record = new RunRecord(options, () => this.now() - start);
    this.prng = new Prng(`${seed}/world`);
    this.#scenario = scenario;
    this.#traits = traits;
    this.fleet = new Fleet(this, this.prng, hosts, {
      make: (...process) => this.newProcess(...process),
      registry: (host, { lacks }) => this.registry(host, lacks),
      onTickFault: (kind, act) => {
        this.record.count(kind);
        act();
      },
      onEnded: (process, exit) => this.onEnded(process, exit),
      mayHaveLookedTooEarly: ({ born }) => this.isHealing && born < this.quietSince,
      mayRestart: (host) => !this.isHealing || core.includes(host),
    });
  }

  protected abstract readonly oracle: {
    readonly violation: Violation | undefined;
    readonly commits: number;
  };
  /** Number of state files. */
  protected abstract readonly states: number;
  protected abstract newProcess(name: string, clock: HostClock, options: Options): Process;
  /** Milliseconds after the start at which this host's process starts. */
  protected abstract beginOf(host: number): number;
  /** Draws when a user's events are sent. */
  protected abstract readonly sendTimes: Prng;
  protected abstract submit(name: string, content: string): void;
  protected abstract send(event: OwnEvent): void;
  /** `outputs` were passed to the tick of the join `state`. */
  protected abstract joined(state: string, outputs: Readonly<Record<string, unknown>>): void;
  /** Kinds of scheduled faults that are left out because a user's work replaces what they act on. */
  protected abstract replacedBy(own: OwnWork): readonly string[];
  protected abstract inject(fault: Fault): void;
  /** Faults have stopped: starts the core, kills all other processes. Resolves when `quietSince` is known. */
  protected abstract startCore(limit: number): Promise<void>;
  protected abstract readonly isAllDone: boolean;
  /** The time for liveness is over, and workers that stay have not done all, or others have not ended. */
  protected abstract onStuck(stays: boolean): void;
  /** The core was stopped; `wasDone`: its workers stay, and had done all. */
  protected abstract tidyUp(wasDone: boolean): Promise<void>;
  /** Checks what holds when a run is over. */
  protected abstract finish(): Promise<void>;
  protected abstract ends(): Promise<InstanceEnds>;

  now(): number {
    return this.timeline.now;
  }

  at(time: number, act: () => void): () => void {
    return this.timeline.at(time, act);
  }

  trace(who: string, text: () => string): void {
    this.record.trace(who, text);
  }

  injected(injection: Injection): void {
    this.record.injected(injection);
  }

  crashed(error: unknown): void {
    this.#crash ??= error;
  }

  async run(): Promise<RunOutcome> {
    const { start, safety, hosts, scheduled } = this.#scenario;
    try {
      this.#submitAll();
      for (const host of hosts.keys()) this.fleet.startSoon(host, this.beginOf(host));
      for (const fault of scheduled) {
        if (!this.record.isAllowed(fault.id) || !this.#isKnown(fault)) continue;
        this.at(start + fault.at, () => {
          const what = JSON.stringify(fault);
          this.injected({ id: fault.id, kind: fault.kind, what });
          this.trace('', () => what);
          this.inject(fault);
        });
      }
      await this.timeline.run(() => this.isBad, start + safety);
      if (!this.isBad) await this.#heal();
    } catch (error) {
      this.crashed(error);
    }
    for (const process of this.fleet.processes) process.kill();
    return this.#outcome();
  }

  protected get isBad(): boolean {
    return this.oracle.violation !== undefined || this.#crash !== undefined;
  }

  #submitAll(): void {
    const { instances, start, safety } = this.#scenario;
    for (const [name, content] of firstStates(this.own, instances)) this.submit(name, content);
    for (const event of this.own?.events ?? []) {
      const at = start + this.sendTimes.between(0, LAST_EVENT) * safety;
      this.at(at, () => this.send(event));
    }
  }

  /** A user's machines replace the simulator's own, and their work. */
  #isKnown({ kind }: Fault): boolean {
    const { own } = this;
    return own === undefined || !['lamp', 'tree', 'send', ...this.replacedBy(own)].includes(kind);
  }

  /** The machines of a process on this host: a user's, or the simulator's own, but for those that it lacks. */
  protected registry(host: Host, lacks: readonly string[] = []): Registry {
    if (this.own !== undefined) return this.own.registry;
    const { pace, maxBlockMs, machines } = this.#traits;
    const bounded: Host = {
      kill: () => host.kill(),
      block: (ms) => host.block(Math.min(ms, maxBlockMs)),
    };
    const options = {
      seed: this.seed,
      tickFaults: this.#scenario.tickFaults,
      cycle: pace,
      lease: this.lease,
      mayMisbehave: () => !this.isHealing && this.record.isAllowed(TICK_FAULTS),
      joined: (state: string, outputs: object) => this.joined(state, { ...outputs }),
    };
    const all = [
      chainMachine(options, bounded),
      lampMachine(pace),
      treeMachine(options, bounded),
      ...machines,
    ];
    return createRegistry(all.filter(({ name }) => !lacks.includes(name)));
  }

  protected onEnded(_process: Process, exit: Exit): void {
    if (exit.kind === 'refused' && !isExpectedEnd(exit.error)) this.crashed(exit.error);
  }

  /** Injects a fault that is the same on every engine. */
  protected injectCommon(fault: CommonFault): void {
    const { fleet } = this;
    switch (fault.kind) {
      case 'submit':
        return this.submit(fault.name, chainState(fault.steps));
      case 'lamp':
        return this.submit(`${fault.name}.state`, LAMP_STATE);
      case 'tree':
        return this.submit(`${fault.name}.state`, treeState(fault.tree));
      case 'kill':
        return fleet.hosts[fault.host]!.process?.kill();
      case 'stop':
        fleet.hosts[fault.host]!.process?.askToStop();
        return fleet.startSoon(fault.host, fault.restart);
      case 'suspend':
        return fleet.hosts[fault.host]!.process?.suspend(fault.ms);
      case 'twin': {
        const twin = fleet.launch(fault.host);
        this.at(this.now() + fault.ms, () => twin.kill());
      }
    }
  }

  /** Liveness: faults stop, the core runs, all other processes are killed. */
  async #heal(): Promise<void> {
    const { own, fleet } = this;
    this.isHealing = true;
    this.trace('', () => 'faults stop');
    const { simulators, users } = this.#traits.graceMs;
    const more = own?.stateFiles === undefined ? simulators : users;
    const limit = this.now() + LIVENESS_LEASES * this.lease + LIVENESS_PACES * this.pace + more;
    await this.startCore(limit);
    const stays = this.#scenario.hosts[0]!.options.watch;
    const isOver = (): boolean => (stays ? this.isAllDone : fleet.isEmpty);
    await this.timeline.run(() => this.isBad || isOver(), limit);
    const wasOver = isOver();
    if (!wasOver) this.onStuck(stays);
    fleet.close();
    await this.dismissAll();
    await this.tidyUp(stays && wasOver);
    if (!this.isBad) await this.finish();
    if (!this.isBad && own !== undefined) this.#complaint = complaint(own, await this.ends());
  }

  protected async dismissAll(): Promise<void> {
    const { processes } = this.fleet;
    for (const process of processes) process.askToStop();
    const limit = this.now() + STOP_LEASES * this.lease;
    await this.timeline.run(() => this.isBad || processes.size === 0, limit);
    for (const process of processes) {
      this.trace(process.name, () => 'has not ended in time');
      process.kill();
    }
  }

  #outcome(): RunOutcome {
    const { violation, commits } = this.oracle;
    const { operations, ticks, counts, injections } = this.record;
    return {
      seed: this.seed,
      ...judgeRun(this.#crash, violation ?? this.#complaint),
      time: this.now() - this.#scenario.start,
      events: this.timeline.events,
      operations,
      states: this.states,
      commits,
      ticks,
      faults: counts,
      injected: injections,
    };
  }
}
