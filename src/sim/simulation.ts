/**
 * One run: real workers in virtual time on a simulated volume. First *safety*, with the scenario's faults; then
 * faults stop, and *liveness*: a surviving core must finish.
 */
import { basename, dirname } from 'node:path/posix';
import { formatEvent } from '../machine/event.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';
import { cycleLength } from '../volume/phases/cycle.ts';
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import { EventQueue } from './event-queue.ts';
import { Prng } from './prng.ts';
import { Disk, type FileNode } from './disk.ts';
import { randomFaults, type FaultSource, type Method } from './faults.ts';
import { Fleet } from './fleet.ts';
import { CHAIN_ATTEMPTS, chainMachine, chainTimeout, type Host } from './machines.ts';
import { lampMachine } from './event-workload.ts';
import { Oracle } from './oracle.ts';
import { watched } from './watched-session.ts';
import { inject } from './nemesis.ts';
import { treeMachine } from './fork-workload.ts';
import {
  isExpectedEnd,
  judgeRun,
  type Injection,
  type RunOutcome,
  type Violation,
} from './outcome.ts';
import type { Exit } from './host-process.ts';
import { complaint, firstStates, type OwnWork } from './own-work.ts';
import { MOUNT, type ProcessOptions } from './process-options.ts';
import { SimProcess } from './process.ts';
import { RunRecord, TICK_FAULTS, type RecordOptions } from './run-record.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import { TrueVolume } from './true-volume.ts';
import { User } from './user.ts';
import { volumeEnds } from './volume-ends.ts';
import type { SimulatedWorld } from './world.ts';

export interface RunOptions extends RecordOptions {
  /** Replaces the random source: for tests that fail given operations. */
  readonly faults?: FaultSource;
  /** Replaces the simulator's own machines and instances. */
  readonly own?: OwnWork;
}

/** Liveness: all must be done this many leases plus cycles after the last fault. */
const LIVENESS_LEASES = 30;
const LIVENESS_CYCLES = 150;
/** What a user's machines have besides: their timers and retries may take long, and so does each cycle that is simulated. */
const OWN_LIVENESS_MS = 600_000;
/** Of the time with faults: when a user's last event is sent. */
const LAST_EVENT = 0.9;
const OTHER_INSTANCES = ['submit', 'slow copy', 'copy again', 'invalid file'];
/** Of a file event to arrive. */
const HINT_PROBABILITY = 0.7;

export async function simulate(scenario: Scenario, options: RunOptions = {}): Promise<RunOutcome> {
  return new Simulation(scenario, options).run();
}

class Simulation implements SimulatedWorld {
  readonly seed: string;
  readonly disk: Disk;
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #queue: EventQueue;
  readonly #oracle: Oracle;
  readonly #prng: Prng;
  readonly #hints: Prng;
  readonly #user: User;
  readonly #fleet: Fleet<ProcessOptions, SimProcess>;
  readonly #faults: FaultSource;
  readonly #record: RunRecord;
  /** State files that must exist in the end. */
  readonly #expected: string[] = [];
  readonly #cycle: number;
  readonly #lease: number;
  /** Number of power cuts: operations under way at a power cut never arrive. */
  #powers = 0;
  #healing = false;
  #healedAt = 0;
  #crash: unknown;
  /** Of the user's own check. */
  #complaint: Violation | undefined;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.seed = scenario.seed;
    this.#queue = new EventQueue(scenario.start);
    this.#prng = new Prng(`${this.seed}/world`);
    this.#hints = new Prng(`${this.seed}/hints`);
    this.#record = new RunRecord(options, () => this.now() - scenario.start);
    const { phases, lease, maxLinks, protectsLinks } = scenario.hosts[0]!.options;
    this.#cycle = cycleLength(phases);
    this.#lease = lease;
    this.#faults = options.faults ?? randomFaults(this.seed, scenario.rates, scenario.limits);
    const cache = scenario.rates.stale === undefined ? 0 : scenario.limits.cache;
    const now = (): number => this.now();
    this.disk = new Disk(
      now,
      cache,
      (notice) => {
        this.#oracle.changed(notice, this.#fleet.named(notice.client));
        const [directory, name] = [dirname(notice.path), basename(notice.path)];
        if (notice.after === undefined) return;
        if (directory === MOUNT) this.#hintAll(name);
        if (directory === `${MOUNT}/events`) this.#hintAll(`events/${name}`);
      },
      { maxLinks, protectsLinks },
    );
    const faults: FaultSource = (...call) => this.#fault(...call);
    this.#fleet = new Fleet(this, this.#prng, scenario.hosts, {
      make: (name, clock, process) => new SimProcess(this, name, clock, faults, process),
      registry: (host) => this.#registry(host),
      onTickFault: (kind, act) => this.#onTickFault(kind, act),
      onEnded: (process, exit) => this.#ended(process, exit),
      mayHaveLookedTooEarly: ({ born }) => this.#healing && born < this.#healedAt,
      mayRestart: (host) => !this.#healing || scenario.core.includes(host),
    });
    this.#oracle = new Oracle(this.disk, now, {
      phases,
      lease,
      calm: scenario.calm,
      ticks: options.own === undefined ? ticksAllowed(scenario) : Number.POSITIVE_INFINITY,
      cache,
      archiveAge: ageTold(scenario),
      timeout: chainTimeout(this.#cycle, lease),
      hangs: (scenario.tickFaults.hangs ?? 0) > 0,
      registry: this.#registry({ kill: () => undefined, block: () => undefined }),
      owner: (session) =>
        [...this.#fleet.processes].find((one) => one.session?.token.session === session),
    });
    this.#user = new User({
      disk: this.disk,
      now,
      at: (time, act) => this.at(time, act),
      expect: (name, content, isOurs) => {
        this.#oracle.submitted(name, content);
        if (isOurs) this.#expected.push(name);
      },
      sent: (file, content) => this.#oracle.sent(file, content),
    });
    this.disk.makeDirectory(MOUNT, this.#user);
    this.disk.sync('/');
  }

  now(): number {
    return this.#queue.now;
  }

  at(time: number, act: () => void): () => void {
    return this.#queue.at(time, act);
  }

  afterUnlessPowerFails(ms: number, act: () => void): void {
    const powers = this.#powers;
    this.#queue.at(this.now() + ms, () => {
      if (powers === this.#powers) act();
    });
  }

  trace(who: string, text: () => string): void {
    this.#record.trace(who, text);
  }

  injected(injection: Injection): void {
    this.#record.injected(injection);
  }

  asked(process: SimProcess, method: Method, path: string): void {
    this.#record.operations += 1;
    this.#oracle.asked(process, method, path);
  }

  beats(process: SimProcess): void {
    this.#oracle.beats(process);
  }

  ticked(_process: SimProcess, state: string): void {
    this.#record.ticks += 1;
    this.#oracle.ticked(state);
  }

  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations {
    return watched(session, {
      onSnapshot: (snapshot) => this.#oracle.split(process, process.options.assign, snapshot),
      onClaim: (name, outcome) => this.#oracle.claimed(name, outcome),
    });
  }

  async run(): Promise<RunOutcome> {
    const scenario = this.#scenario;
    try {
      this.#submitAll();
      for (const host of scenario.hosts.keys()) {
        this.#fleet.startSoon(host, this.#prng.between(0, this.#cycle));
      }
      for (const fault of scenario.scheduled) {
        if (!this.#record.isAllowed(fault.id) || !this.#isKnown(fault)) continue;
        this.at(scenario.start + fault.at, () => this.#inject(fault));
      }
      await this.#queue.run(() => this.#isBad, scenario.start + scenario.safety);
      if (!this.#isBad) await this.#heal();
    } catch (error) {
      this.#crash ??= error;
    }
    for (const process of this.#fleet.processes) process.kill();
    return this.#outcome();
  }

  get #isBad(): boolean {
    return this.#oracle.violation !== undefined || this.#crash !== undefined;
  }

  get #isTooStale(): boolean {
    return this.#scenario.limits.cache > this.#lease;
  }

  #submitAll(): void {
    const { instances, start, safety } = this.#scenario;
    for (const [name, content] of firstStates(this.#options.own, instances))
      this.#user.submit(name, content);
    const times = new Prng(`${this.seed}/own events`);
    for (const { to, id, ...event } of this.#options.own?.events ?? []) {
      const at = start + times.between(0, LAST_EVENT) * safety;
      this.at(at, () => this.#user.send(to, id, formatEvent(event)));
    }
  }

  /** File events are hints: some are lost. */
  #hintAll(name: string): void {
    for (const process of this.#fleet.processes) {
      if (this.#scenario.calm || this.#hints.chance(HINT_PROBABILITY)) process.hint(name);
    }
  }

  #registry(host: Host): Registry {
    const options = {
      seed: this.seed,
      tickFaults: this.#scenario.tickFaults,
      cycle: this.#cycle,
      lease: this.#lease,
      mayMisbehave: () => !this.#healing && this.#record.isAllowed(TICK_FAULTS),
      joined: (instance: string, outputs: object) => this.#oracle.joined(instance, { ...outputs }),
    };
    const machines = [chainMachine(options, host), lampMachine(this.#cycle)];
    return this.#options.own?.registry ?? createRegistry([...machines, treeMachine(options, host)]);
  }

  #onTickFault(kind: string, act: () => void): void {
    this.#record.count(kind);
    act();
  }

  #fault(...[process, call, ...what]: Parameters<FaultSource>): ReturnType<FaultSource> {
    const fault = this.#faults(process, call, ...what);
    if (fault === undefined || !this.#record.isAllowed(`${process}#${call}`)) return undefined;
    // Caches remain, unless they are older than a lease: with these, liveness cannot hold.
    const remains = fault.kind === 'stale' && !this.#isTooStale;
    return this.#healing && !remains ? undefined : fault;
  }

  /** A user's machines replace the simulator's own, and a user's instances its instances and invalid files. */
  #isKnown({ kind }: ScheduledFault): boolean {
    const { own } = this.#options;
    if (own === undefined) return true;
    const others = own.stateFiles === undefined ? [] : OTHER_INSTANCES;
    return !['lamp', 'send', 'drop', 'tree', ...others].includes(kind);
  }

  #ended(process: SimProcess, exit: Exit): void {
    if (exit.kind === 'refused' && !isExpectedEnd(exit.error)) this.#crash ??= exit.error;
    if (exit.kind === 'finished') this.#oracle.ended(process, exit.end, this.#expected);
  }

  #inject(fault: ScheduledFault): void {
    const what = JSON.stringify(fault);
    this.injected({ id: fault.id, kind: fault.kind, what });
    this.trace('', () => what);
    inject(fault, {
      fleet: this.#fleet,
      user: this.#user,
      // A frozen process goes on before faults stop.
      safeAt: this.#scenario.start + this.#scenario.safety - this.#cycle,
      losePower: (keep) => this.losePower(keep),
      later: (ms, act) => void this.at(this.now() + ms, act),
    });
  }

  losePower(keep: number = 0.5): void {
    this.#powers += 1;
    for (const process of this.#fleet.processes) process.kill();
    this.disk.losePower(
      () => this.#prng.chance(keep),
      (file) => this.#tear(file),
    );
    this.trace('', () => 'the power is back');
    this.#oracle.powerIsBack();
  }

  #tear({ content, durable }: FileNode): string {
    const torn = content.slice(0, Math.floor(content.length * this.#prng.next()));
    return this.#prng.pick([
      content,
      durable ?? '',
      '',
      torn,
      torn + '\0'.repeat(content.length - torn.length),
    ]);
  }

  /** Liveness: faults stop, the core runs, all other processes are killed. */
  async #heal(): Promise<void> {
    this.#healing = true;
    this.#healedAt = this.now();
    this.trace('', () => 'faults stop');
    this.#startCore();
    const more = this.#options.own?.stateFiles === undefined ? 0 : OWN_LIVENESS_MS;
    const limit = this.now() + LIVENESS_LEASES * this.#lease + LIVENESS_CYCLES * this.#cycle + more;
    const isWatching = this.#scenario.hosts[0]!.options.watch;
    const isOver = (): boolean => (isWatching ? this.#isAllDone : this.#fleet.isEmpty);
    await this.#queue.run(() => this.#isBad || isOver(), limit);
    const wasDone = isWatching && this.#isAllDone;
    this.#fleet.close();
    await this.#dismissAll();
    // A stopping worker, in the middle of recovery, may have restored event files that are over.
    const isUndone = wasDone && !this.#isAllDone;
    if (isUndone || this.#oracle.leftOver() !== undefined) await this.#tidyUp();
    if (!this.#isBad) this.#oracle.finish(this.#expected);
    const { own } = this.#options;
    if (!this.#isBad && own !== undefined)
      this.#complaint = complaint(own, volumeEnds(new TrueVolume(this.disk)));
  }

  get #isAllDone(): boolean {
    return this.#oracle.unsettled(this.#expected) === undefined;
  }

  #startCore(): void {
    const { core } = this.#scenario;
    const { hosts, processes } = this.#fleet;
    for (const { clock } of hosts) clock.broken = false;
    for (const process of processes) {
      process.resume();
      process.mount();
    }
    for (const [index, { process }] of hosts.entries()) {
      if (process?.isAlive !== true && core.includes(index)) this.#fleet.startSoon(index, 0);
      else if (!core.includes(index)) process?.kill();
    }
    // A hung tick cannot be ended; if all processes hang, replace them, so that their states go on.
    const alive = [...processes].filter((process) => process.isAlive);
    const noneActs = alive.every((process) => process.blockedFor > 0);
    if (noneActs || this.#isTooStale) for (const process of alive) process.kill();
  }

  /**
   * Starts one more worker, if the core ended before the leases of dead sessions did: it recovers these, and
   * commits that arrived after their process had died.
   */
  async #tidyUp(): Promise<void> {
    const { options } = this.#fleet.hosts[0]!;
    this.#fleet.launch(0, { ...options, worker: 'caretaker', watch: true });
    const limit = this.now() + LIVENESS_LEASES * this.#lease + LIVENESS_CYCLES * this.#cycle;
    const isTidy = (): boolean =>
      this.#oracle.leftOver('caretaker') === undefined && this.#isAllDone;
    await this.#queue.run(() => this.#isBad || isTidy(), limit);
    await this.#dismissAll();
  }

  async #dismissAll(): Promise<void> {
    const { processes } = this.#fleet;
    for (const process of processes) process.askToStop();
    const limit = this.now() + 20 * this.#lease;
    await this.#queue.run(() => this.#isBad || processes.size === 0, limit);
    for (const process of processes) {
      this.trace(process.name, () => 'has not ended in time');
      process.kill();
    }
  }

  #outcome(): RunOutcome {
    const { violation, commits } = this.#oracle;
    const { operations, ticks, counts, injections } = this.#record;
    return {
      seed: this.seed,
      ...judgeRun(this.#crash, violation ?? this.#complaint),
      time: this.now() - this.#scenario.start,
      events: this.#queue.events,
      operations,
      states: this.disk.list(MOUNT).length,
      commits,
      ticks,
      faults: counts,
      injected: injections,
    };
  }
}

/** The archive's minimum age, or 0 if client stamps or caches falsify ages. */
function ageTold({ hosts, limits }: Scenario): number {
  const { archive, stamps } = hosts[0]!.options;
  return stamps === 'client' || limits.cache > 0 ? 0 : (archive?.age ?? 0);
}

/** Upper bound of ticks per step. Infinite if a fault can erase the attempt count. */
function ticksAllowed({ calm, rates, scheduled, limits }: Scenario): number {
  if (calm) return 1;
  const forgetful = ['power', 'blackout', 'unmount', 'no clock', 'twin'];
  const forgets = scheduled.some(({ kind }) => forgetful.includes(kind));
  const isSound = Object.keys(rates).length === 0 && limits.cache === 0 && !forgets;
  return isSound ? CHAIN_ATTEMPTS : Number.POSITIVE_INFINITY;
}
