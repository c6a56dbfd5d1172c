/**
 * One run: real workers in virtual time on a simulated volume. First *safety*, with everything that the
 * scenario has in store; then faults stop, and *liveness*: a surviving core has to finish.
 */
import { basename, dirname } from 'node:path/posix';
import { createRegistry, type Registry } from '../machine/registry.ts';
import { cycleLength } from '../volume/phases/cycle.ts';
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import { EventQueue } from './event-queue.ts';
import { Prng } from './prng.ts';
import { Disk, type FileNode } from './disk.ts';
import { randomFaults, type FaultSource, type Method } from './faults.ts';
import { Fleet } from './fleet.ts';
import { CHAIN_ATTEMPTS, chainMachine, chainState, chainTimeout, type Host } from './machines.ts';
import { lampMachine } from './event-workload.ts';
import { Oracle } from './oracle.ts';
import { watched } from './watched-session.ts';
import { inject } from './nemesis.ts';
import { treeMachine } from './fork-workload.ts';
import { isExpectedEnd, judgeRun, type Injection, type Outcome } from './outcome.ts';
import { MOUNT, type Exit } from './process-options.ts';
import { type SimProcess } from './process.ts';
import type { ScheduledFault, Scenario } from './scenario.ts';
import { User } from './user.ts';
import type { World } from './world.ts';

export interface RunOptions {
  /** Faults and scheduled by id: only these happen. Undefined: all. */
  readonly only?: ReadonlySet<string>;
  /** Instead of chance: for tests that fail one operation after the other. */
  readonly faults?: FaultSource;
  readonly trace?: (line: string) => void;
  /** Machines of the user's, instead of the simulator's own. */
  readonly registry?: Registry;
  /** Their state files, by name. */
  readonly stateFiles?: ReadonlyMap<string, string>;
}

/** Liveness: so many leases and cycles for everything to be done after the last fault. */
const LIVENESS_LEASES = 30;
const LIVENESS_CYCLES = 150;
/** The id of all misbehaviour of ticks together. */
export const TICK_FAULTS = 'mischief';
/** File events that arrive. */
const HINT_PROBABILITY = 0.7;

export async function simulate(scenario: Scenario, options: RunOptions = {}): Promise<Outcome> {
  return new Simulation(scenario, options).run();
}

class Simulation implements World {
  readonly seed: string;
  readonly disk: Disk;
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #queue: EventQueue;
  readonly #oracle: Oracle;
  readonly #prng: Prng;
  readonly #hints: Prng;
  readonly #user: User;
  readonly #fleet: Fleet;
  readonly #faults: FaultSource;
  readonly #counts: Record<string, number> = {};
  readonly #injected: Injection[] = [];
  /** State files that there have to be in the end. */
  readonly #expected: string[] = [];
  readonly #cycle: number;
  readonly #lease: number;
  /** Counts power cuts: what was under way before one never arrives. */
  #powers = 0;
  #healing = false;
  #healedAt = 0;
  #operations = 0;
  #ticks = 0;
  #crash: unknown;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.seed = scenario.seed;
    this.#queue = new EventQueue(scenario.start);
    this.#prng = new Prng(`${this.seed}/world`);
    this.#hints = new Prng(`${this.seed}/hints`);
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
    this.#fleet = new Fleet(this, this.#prng, scenario, {
      faults: (...call) => this.#fault(...call),
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
      ticks: options.registry === undefined ? ticksAllowed(scenario) : Number.POSITIVE_INFINITY,
      cache,
      archiveAge: ageTold(scenario),
      timeout: chainTimeout(this.#cycle, lease),
      hangs: (scenario.tickFaults.hangs ?? 0) > 0,
      registry: this.#registry({ kill: () => undefined, block: () => undefined }),
      owner: (session) => this.#fleet.owner(session),
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
    const { trace } = this.#options;
    if (trace === undefined) return;
    const seconds = ((this.now() - this.#scenario.start) / 1000).toFixed(4);
    trace(`${seconds.padStart(10)}  ${who.padEnd(6)} ${text()}`);
  }

  injected(injection: Injection): void {
    const { kind } = injection;
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
    this.#injected.push(injection);
  }

  asked(process: SimProcess, method: Method, path: string): void {
    this.#operations += 1;
    this.#oracle.asked(process, method, path);
  }

  beats(process: SimProcess): void {
    this.#oracle.beats(process);
  }

  ticked(_process: SimProcess, state: string): void {
    this.#ticks += 1;
    this.#oracle.ticked(state);
  }

  observe(process: SimProcess, session: DirectoryOperations): VolumeOperations {
    return watched(session, {
      onSnapshot: (snapshot) => this.#oracle.split(process, process.options.assign, snapshot),
      onClaim: (name, outcome) => this.#oracle.claimed(name, outcome),
    });
  }

  async run(): Promise<Outcome> {
    const scenario = this.#scenario;
    try {
      this.#submitAll();
      for (const host of scenario.hosts.keys()) {
        this.#fleet.startSoon(host, this.#prng.between(0, this.#cycle));
      }
      for (const fault of scenario.scheduled) {
        if (!this.#isAllowed(fault.id) || !this.#isKnown(fault)) continue;
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
    const own = this.#scenario.instances.map(
      ({ name, steps }) => [`${name}.state`, chainState(steps)] as const,
    );
    for (const [name, content] of this.#options.stateFiles ?? own) this.#user.submit(name, content);
  }

  /** A hint, never the truth: some get lost. */
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
      mayMisbehave: () => !this.#healing && this.#isAllowed(TICK_FAULTS),
      joined: (instance: string, outputs: object) => this.#oracle.joined(instance, { ...outputs }),
    };
    const machines = [chainMachine(options, host), lampMachine(this.#cycle)];
    return this.#options.registry ?? createRegistry([...machines, treeMachine(options, host)]);
  }

  #onTickFault(kind: string, act: () => void): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
    act();
  }

  #fault(...[process, call, ...what]: Parameters<FaultSource>): ReturnType<FaultSource> {
    const fault = this.#faults(process, call, ...what);
    if (fault === undefined || !this.#isAllowed(`${process}#${call}`)) return undefined;
    // A volume has its caches for ever; but who shows what is older than a lease is beyond help.
    const remains = fault.kind === 'stale' && !this.#isTooStale;
    return this.#healing && !remains ? undefined : fault;
  }

  /** Own machines know of no lamps, and no trees. */
  #isKnown({ kind }: ScheduledFault): boolean {
    return this.#options.registry === undefined || !['lamp', 'send', 'drop', 'tree'].includes(kind);
  }

  #isAllowed(id: string): boolean {
    return this.#options.only?.has(id) ?? true;
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
      // What was held back arrives while everybody is still there to see it.
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

  /** Nothing goes wrong any more; the core is there, and everybody else is gone. */
  async #heal(): Promise<void> {
    this.#healing = true;
    this.#healedAt = this.now();
    this.trace('', () => 'faults stop');
    this.#callTheCore();
    const limit = this.now() + LIVENESS_LEASES * this.#lease + LIVENESS_CYCLES * this.#cycle;
    const isWatching = this.#scenario.hosts[0]!.options.watch;
    const isOver = (): boolean => (isWatching ? this.#isAllDone : this.#fleet.isEmpty);
    await this.#queue.run(() => this.#isBad || isOver(), limit);
    const wasDone = isWatching && this.#isAllDone;
    this.#fleet.close();
    await this.#dismissAll();
    // Who was told to stop, and was just finishing for the dead, has made events again that are over.
    const isUndone = wasDone && !this.#isAllDone;
    if (isUndone || this.#oracle.leftOver() !== undefined) await this.#tidyUp();
    if (!this.#isBad) this.#oracle.finish(this.#expected);
  }

  get #isAllDone(): boolean {
    return this.#oracle.unsettled(this.#expected) === undefined;
  }

  #callTheCore(): void {
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
    // A tick that never comes back is nobody's to mend; but somebody has to be there for what it holds.
    const alive = [...processes].filter((process) => process.isAlive);
    const noneActs = alive.every((process) => process.blockedFor > 0);
    if (noneActs || this.#isTooStale) for (const process of alive) process.kill();
  }

  /**
   * Whoever comes next finds what the dead have left, if the others ended before their leases did: also a
   * commit that was on its way when its process died, and came in late.
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

  #outcome(): Outcome {
    const { violation, commits } = this.#oracle;
    return {
      seed: this.seed,
      ...judgeRun(this.#crash, violation),
      time: this.now() - this.#scenario.start,
      events: this.#queue.events,
      operations: this.#operations,
      states: this.disk.list(MOUNT).length,
      commits,
      ticks: this.#ticks,
      faults: this.#counts,
      injected: this.#injected,
    };
  }
}

/** Where stamps are whose they are, and caches hide nothing, a state's age is what it seems to be. */
function ageTold({ hosts, limits }: Scenario): number {
  const { archive, stamps } = hosts[0]!.options;
  return stamps === 'client' || limits.cache > 0 ? 0 : (archive?.age ?? 0);
}

/** What nobody could count does not count: the volume did not let him, or he had to go for his name's sake. */
function ticksAllowed({ calm, rates, scheduled, limits }: Scenario): number {
  if (calm) return 1;
  const forgetful = ['power', 'blackout', 'unmount', 'no clock', 'twin'];
  const forgets = scheduled.some(({ kind }) => forgetful.includes(kind));
  const isSound = Object.keys(rates).length === 0 && limits.cache === 0 && !forgets;
  return isSound ? CHAIN_ATTEMPTS : Number.POSITIVE_INFINITY;
}
