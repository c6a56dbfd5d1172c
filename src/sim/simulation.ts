/** One run on a simulated volume, whose files, clocks and hosts fail. */
import { basename, dirname } from 'node:path/posix';
import { formatEvent } from '../machine/event.ts';
import { cycleLength } from '../volume/phases/cycle.ts';
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import { EventQueue, type HostClock } from './virtual-time.ts';
import { Prng } from './prng.ts';
import { Disk, MOUNT, type FileNode } from './disk.ts';
import { randomFaults, type FaultSource, type Method } from './faults.ts';
import { CHAIN_ATTEMPTS, chainState, chainTimeout, droppedEvent, lampEvent } from './workloads.ts';
import { Oracle } from './oracle.ts';
import { watched, SimProcess, type ProcessOptions, type SimulatedWorld } from './process.ts';
import type { RunOutcome } from './outcome.ts';
import type { Exit } from './host-process.ts';
import type { InstanceEnds, OwnEvent, OwnWork } from './own-work.ts';
import { LIVENESS_LEASES, LIVENESS_PACES, SimulatedRun, type RunOptions } from './run.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import { TrueVolume, volumeEnds } from './true-volume.ts';
import { User } from './user.ts';

export interface VolumeRunOptions extends RunOptions {
  /** Replaces the random source: for tests that fail given operations. */
  readonly faults?: FaultSource;
}

/** A user's machines have this besides: each cycle that is simulated takes long. */
const OWN_LIVENESS_MS = 600_000;
const OTHER_INSTANCES = ['submit', 'slow copy', 'copy again', 'invalid file'];
/** Of a file event to arrive. */
const HINT_PROBABILITY = 0.7;

export async function simulate(
  scenario: Scenario,
  options: VolumeRunOptions = {},
): Promise<RunOutcome> {
  return new Simulation(scenario, options).run();
}

class Simulation
  extends SimulatedRun<ProcessOptions, SimProcess, ScheduledFault>
  implements SimulatedWorld
{
  readonly disk: Disk;
  protected readonly oracle: Oracle;
  protected readonly sendTimes: Prng;
  readonly #scenario: Scenario;
  readonly #hints: Prng;
  readonly #user: User;
  readonly #faults: FaultSource;
  /** State files that must exist in the end. */
  readonly #expected: string[] = [];
  /** Number of power cuts: operations under way at a power cut never arrive. */
  #powers = 0;

  constructor(scenario: Scenario, options: VolumeRunOptions) {
    const { seed, start, limits } = scenario;
    const { phases, lease, maxLinks, protectsLinks } = scenario.hosts[0]!.options;
    super(
      scenario,
      new EventQueue(start),
      {
        pace: cycleLength(phases),
        maxBlockMs: Number.POSITIVE_INFINITY,
        graceMs: { simulators: 0, users: OWN_LIVENESS_MS },
        machines: [],
      },
      options,
    );
    this.#scenario = scenario;
    this.#hints = new Prng(`${seed}/hints`);
    this.sendTimes = new Prng(`${seed}/own events`);
    this.#faults = options.faults ?? randomFaults(seed, scenario.rates, limits);
    const cache = scenario.rates.stale === undefined ? 0 : limits.cache;
    const now = (): number => this.now();
    this.disk = new Disk(
      now,
      cache,
      (notice) => {
        this.oracle.changed(notice, this.fleet.named(notice.client));
        const [directory, name] = [dirname(notice.path), basename(notice.path)];
        if (notice.after === undefined) return;
        if (directory === MOUNT) this.#hintAll(name);
        if (directory === `${MOUNT}/events`) this.#hintAll(`events/${name}`);
      },
      { maxLinks, protectsLinks },
    );
    this.oracle = new Oracle(this.disk, now, {
      phases,
      lease,
      calm: scenario.calm,
      ticks: options.own === undefined ? ticksAllowed(scenario) : Number.POSITIVE_INFINITY,
      cache,
      archiveAge: ageTold(scenario),
      timeout: chainTimeout(this.pace, lease),
      hangs: (scenario.tickFaults.hangs ?? 0) > 0,
      registry: this.registry({ kill: () => undefined, block: () => undefined }),
      owner: (session) =>
        [...this.fleet.processes].find((one) => one.session?.token.session === session),
    });
    this.#user = new User({
      disk: this.disk,
      now,
      at: (time, act) => this.at(time, act),
      expect: (name, content, isOurs) => {
        this.oracle.submitted(name, content);
        if (isOurs) this.#expected.push(name);
      },
      sent: (file, content) => this.oracle.sent(file, content),
    });
    this.disk.makeDirectory(MOUNT, this.#user);
    this.disk.sync('/');
  }

  protected get states(): number {
    return this.disk.list(MOUNT).length;
  }

  protected get isAllDone(): boolean {
    return this.oracle.unsettled(this.#expected) === undefined;
  }

  get #isTooStale(): boolean {
    return this.#scenario.limits.cache > this.lease;
  }

  protected newProcess(name: string, clock: HostClock, options: ProcessOptions): SimProcess {
    return new SimProcess(this, name, clock, (...call) => this.#fault(...call), options);
  }

  protected beginOf(): number {
    return this.prng.between(0, this.pace);
  }

  protected submit(name: string, content: string): void {
    this.#user.submit(name, content);
  }

  protected send({ to, id, ...event }: OwnEvent): void {
    this.#user.send(to, id, formatEvent(event));
  }

  protected joined(state: string, outputs: Readonly<Record<string, unknown>>): void {
    this.oracle.joined(state, outputs);
  }

  protected replacedBy({ stateFiles }: OwnWork): readonly string[] {
    return ['drop', ...(stateFiles === undefined ? [] : OTHER_INSTANCES)];
  }

  protected override onEnded(process: SimProcess, exit: Exit): void {
    super.onEnded(process, exit);
    if (exit.kind === 'finished') this.oracle.ended(process, exit.end, this.#expected);
  }

  afterUnlessPowerFails(ms: number, act: () => void): void {
    const powers = this.#powers;
    this.at(this.now() + ms, () => {
      if (powers === this.#powers) act();
    });
  }

  asked(process: SimProcess, method: Method, path: string): void {
    this.record.operations += 1;
    this.oracle.asked(process, method, path);
  }

  beats(process: SimProcess): void {
    this.oracle.beats(process);
  }

  ticked(_process: SimProcess, state: string): void {
    this.record.ticks += 1;
    this.oracle.ticked(state);
  }

  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations {
    return watched(session, {
      onSnapshot: (snapshot) => this.oracle.split(process, process.options.assign, snapshot),
      onClaim: (name, outcome) => this.oracle.claimed(name, outcome),
    });
  }

  /** File events are hints: some are lost. */
  #hintAll(name: string): void {
    for (const process of this.fleet.processes) {
      if (this.#scenario.calm || this.#hints.chance(HINT_PROBABILITY)) process.hint(name);
    }
  }

  #fault(...[process, call, ...what]: Parameters<FaultSource>): ReturnType<FaultSource> {
    const fault = this.#faults(process, call, ...what);
    if (fault === undefined || !this.record.isAllowed(`${process}#${call}`)) return undefined;
    // Caches remain, unless they are older than a lease: with these, liveness cannot hold.
    const remains = fault.kind === 'stale' && !this.#isTooStale;
    return this.isHealing && !remains ? undefined : fault;
  }

  protected inject(fault: ScheduledFault): void {
    const user = this.#user;
    switch (fault.kind) {
      case 'power':
        return this.losePower(fault.keep);
      case 'invalid file':
        return user.putInvalidFile(fault.what);
      case 'foreign entry':
        return user.putForeignEntry(fault.what);
      case 'send':
        return user.send(fault.to, fault.eventId, lampEvent(fault.event, fault.hops));
      case 'drop': {
        const { name, to, event, hops, eventId, ms } = fault;
        return user.drop(name, droppedEvent(to, event, hops, eventId), ms);
      }
      case 'copy again':
        return user.copyAgain(`${fault.name}.state`, chainState(fault.steps));
      case 'slow copy':
        return user.copySlowly(`${fault.name}.state`, chainState(fault.steps), fault.ms);
      case 'ambush':
      case 'blackout':
      case 'freeze':
      case 'sleep':
      case 'step':
      case 'no clock':
      case 'unmount':
        return this.#injectIntoHost(fault);
      default:
        this.injectCommon(fault);
    }
  }

  #injectIntoHost(
    fault: Extract<
      ScheduledFault,
      {
        kind: 'ambush' | 'blackout' | 'freeze' | 'sleep' | 'step' | 'no clock' | 'unmount';
      }
    >,
  ): void {
    const { clock, process } = this.fleet.hosts[fault.host]!;
    const later = (ms: number, act: () => void): void => void this.at(this.now() + ms, act);
    const { start, safety } = this.#scenario;
    switch (fault.kind) {
      case 'ambush':
        return process?.armed.ambush(fault.place);
      case 'blackout':
        return process?.armed.blackout(fault.place);
      case 'freeze':
        // A frozen process goes on before faults stop.
        return process?.armed.freeze({ ...fault, until: start + safety - this.pace });
      case 'sleep':
        return this.fleet.sleep(fault.host, fault.ms);
      case 'step':
        return clock.step(fault.ms);
      case 'no clock':
        clock.broken = true;
        return later(fault.ms, () => (clock.broken = false));
      case 'unmount':
        process?.unmount();
        return later(fault.ms, () => process?.mount());
    }
  }

  losePower(keep: number = 0.5): void {
    this.#powers += 1;
    for (const process of this.fleet.processes) process.kill();
    this.disk.losePower(
      () => this.prng.chance(keep),
      (file) => this.#tear(file),
    );
    this.trace('', () => 'the power is back');
    this.oracle.powerIsBack();
  }

  #tear({ content, durable }: FileNode): string {
    const torn = content.slice(0, Math.floor(content.length * this.prng.next()));
    return this.prng.pick([
      content,
      durable ?? '',
      '',
      torn,
      torn + '\0'.repeat(content.length - torn.length),
    ]);
  }

  protected async startCore(): Promise<void> {
    this.quietSince = this.now();
    const { core } = this.#scenario;
    const { hosts, processes } = this.fleet;
    for (const { clock } of hosts) clock.broken = false;
    for (const process of processes) {
      process.resume();
      process.mount();
    }
    for (const [index, { process }] of hosts.entries()) {
      if (process?.isAlive !== true && core.includes(index)) this.fleet.startSoon(index, 0);
      else if (!core.includes(index)) process?.kill();
    }
    // A hung tick cannot be ended; if all processes hang, replace them, so that their states go on.
    const alive = [...processes].filter((process) => process.isAlive);
    const noneActs = alive.every((process) => process.blockedFor > 0);
    if (noneActs || this.#isTooStale) for (const process of alive) process.kill();
  }

  /** `finish` tells what is left. */
  protected onStuck(): void {}

  /**
   * Starts one more worker, if the core ended before the leases of dead sessions did: it recovers these, and
   * commits that arrived after their process had died.
   */
  protected async tidyUp(wasDone: boolean): Promise<void> {
    // A stopping worker, in the middle of recovery, may have restored event files that are over.
    const isUndone = wasDone && !this.isAllDone;
    if (!isUndone && this.oracle.leftOver() === undefined) return;
    const { options } = this.fleet.hosts[0]!;
    this.fleet.launch(0, { ...options, worker: 'caretaker', watch: true });
    const limit = this.now() + LIVENESS_LEASES * this.lease + LIVENESS_PACES * this.pace;
    const isTidy = (): boolean => this.oracle.leftOver('caretaker') === undefined && this.isAllDone;
    await this.timeline.run(() => this.isBad || isTidy(), limit);
    await this.dismissAll();
  }

  protected async finish(): Promise<void> {
    this.oracle.finish(this.#expected);
  }

  protected async ends(): Promise<InstanceEnds> {
    return volumeEnds(new TrueVolume(this.disk));
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
