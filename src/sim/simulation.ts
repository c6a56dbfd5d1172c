/**
 * One run: real workers in virtual time on a simulated volume. First *safety*, with everything that the
 * scenario has in store; then faults stop, and *liveness*: a surviving core has to finish.
 */
import type { Machine } from '../machine/definition.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';
import { cycleLength } from '../semaphore/cycle.ts';
import type { Session } from '../volume/contract.ts';
import type { VolumeSession } from '../volume/session.ts';
import { Agenda } from './agenda.ts';
import { Dice } from './dice.ts';
import { Disk, type Actor, type FileNode } from './disk.ts';
import { randomFaults, type FaultSource, type Method } from './faults.ts';
import { HostClock } from './host-clock.ts';
import { JUNK } from './junk.ts';
import { ATTEMPTS, chainMachine, chainState, type Host } from './machines.ts';
import { Oracle, type Violation } from './oracle.ts';
import { MOUNT, SimProcess, type Exit } from './process.ts';
import type { Blow, Scenario } from './scenario.ts';
import type { World } from './world.ts';

export interface RunOptions {
  /** Faults and blows by id: only these happen. Undefined: all. */
  readonly only?: ReadonlySet<string>;
  /** Instead of chance: for tests that fail one operation after the other. */
  readonly faults?: FaultSource;
  readonly trace?: (line: string) => void;
  /** Machines of the user's, instead of the simulator's own. */
  readonly registry?: Registry;
  /** Their state files, by name. */
  readonly stateFiles?: ReadonlyMap<string, string>;
}

export type Verdict = 'ok' | 'safety' | 'liveness' | 'crash';

export interface Outcome {
  readonly seed: string;
  readonly verdict: Verdict;
  /** The invariant that does not hold, and what happened; or the error. */
  readonly message: string;
  /** Milliseconds of virtual time. */
  readonly time: number;
  readonly events: number;
  readonly operations: number;
  readonly states: number;
  readonly commits: number;
  readonly ticks: number;
  /** How many of each kind were put in. */
  readonly faults: Readonly<Record<string, number>>;
  /** What was put in, each with an id for shrinking. */
  readonly injected: readonly Injection[];
}

export interface Injection {
  readonly id: string;
  readonly kind: string;
  /** For people. */
  readonly what: string;
}

/** Liveness: so many leases and cycles for everything to be done after the last fault. */
const LEASES = 30;
const CYCLES = 150;
/** The id of all misbehaviour of ticks together. */
export const MISCHIEF = 'mischief';

const USER: Actor = { client: 'user', stamp: () => 0 };

export async function simulate(scenario: Scenario, options: RunOptions = {}): Promise<Outcome> {
  return new Simulation(scenario, options).run();
}

class Simulation implements World {
  readonly seed: string;
  readonly disk: Disk;
  readonly #scenario: Scenario;
  readonly #options: RunOptions;
  readonly #agenda: Agenda;
  readonly #oracle: Oracle;
  readonly #dice: Dice;
  readonly #hosts: { readonly clock: HostClock; process: SimProcess | undefined; starts: number }[];
  /** All that live, twins included. */
  readonly #processes = new Set<SimProcess>();
  readonly #faults: FaultSource;
  readonly #counts: Record<string, number> = {};
  readonly #injected: Injection[] = [];
  readonly #initial: string[] = [];
  readonly #cycle: number;
  readonly #lease: number;
  /** Counts power cuts: what was under way before one never arrives. */
  #powers = 0;
  #starting = 0;
  #healing = false;
  /** Nobody starts any more, but the last one who looks after what is left. */
  #closing = false;
  #operations = 0;
  #ticks = 0;
  #crash: unknown;

  constructor(scenario: Scenario, options: RunOptions) {
    this.#scenario = scenario;
    this.#options = options;
    this.seed = scenario.seed;
    this.#agenda = new Agenda(scenario.start);
    this.#dice = new Dice(`${this.seed}/world`);
    const { phases, lease } = scenario.hosts[0]!.options;
    this.#cycle = cycleLength(phases);
    this.#lease = lease;
    const cache = scenario.rates.stale === undefined ? 0 : scenario.limits.cache;
    this.disk = new Disk(
      () => this.now(),
      cache,
      (notice) => {
        const process = [...this.#processes].find(({ name }) => name === notice.client);
        this.#oracle.changed(notice, notice.client === USER.client ? undefined : process);
      },
      scenario.hosts[0]!.options.maxLinks,
    );
    this.#oracle = new Oracle(this.disk, () => this.now(), {
      phases,
      lease,
      calm: scenario.calm,
      ticks: options.registry === undefined ? ticksAllowed(scenario) : Number.POSITIVE_INFINITY,
      cache,
      hangs: (scenario.mischief.hangs ?? 0) > 0,
      registry:
        options.registry ?? createRegistry([this.#chain({ kill: () => {}, block: () => {} })]),
    });
    this.disk.makeDirectory(MOUNT, USER);
    this.disk.sync('/');
    this.#oracle.owner = (session) =>
      [...this.#processes].find((one) => one.session?.token.session === session);
    this.#hosts = scenario.hosts.map(({ clock }) => ({
      clock: new HostClock(
        () => this.now(),
        () => this.#dice.next(),
        clock,
      ),
      process: undefined,
      starts: 0,
    }));
    this.#faults = options.faults ?? randomFaults(this.seed, scenario.rates, scenario.limits);
  }

  now(): number {
    return this.#agenda.now;
  }

  at(time: number, act: () => void): () => void {
    return this.#agenda.at(time, act);
  }

  afterUnlessPowerFails(ms: number, act: () => void): void {
    const powers = this.#powers;
    this.#agenda.at(this.now() + ms, () => {
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

  ticked(_process: SimProcess, state: string): void {
    this.#ticks += 1;
    this.#oracle.ticked(state);
  }

  observe(process: SimProcess, session: VolumeSession): Session {
    return new Proxy<Session>(session, {
      get: (target, property) => {
        if (property === 'snapshot') return () => this.#watchSnapshot(process, session);
        if (property === 'claim') {
          return (...args: Parameters<Session['claim']>) => this.#watchClaim(session, ...args);
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async #watchSnapshot(
    process: SimProcess,
    session: VolumeSession,
  ): ReturnType<Session['snapshot']> {
    const snapshot = await session.snapshot();
    this.#oracle.split(process, process.options.assign, snapshot);
    return snapshot;
  }

  async #watchClaim(
    session: VolumeSession,
    ...[name, window]: Parameters<Session['claim']>
  ): ReturnType<Session['claim']> {
    const outcome = await session.claim(name, window);
    this.#oracle.claimed(name, outcome);
    return outcome;
  }

  async run(): Promise<Outcome> {
    const scenario = this.#scenario;
    try {
      this.#submitAll();
      scenario.hosts.forEach((_, host) =>
        this.#startSoon(host, this.#dice.between(0, this.#cycle)),
      );
      for (const blow of scenario.blows) {
        if (!this.#isAllowed(blow.id)) continue;
        this.at(scenario.start + blow.at, () => this.#strike(blow));
      }
      await this.#agenda.run(() => this.#isBad, scenario.start + scenario.safety);
      if (!this.#isBad) await this.#heal();
    } catch (error) {
      this.#crash ??= error;
    }
    return this.#outcome();
  }

  get #isBad(): boolean {
    return this.#oracle.violation !== undefined || this.#crash !== undefined;
  }

  get #isTooStale(): boolean {
    return this.#scenario.limits.cache > this.#lease;
  }

  #submitAll(): void {
    const files =
      this.#options.stateFiles ??
      new Map(
        this.#scenario.instances.map(({ name, steps }) => [`${name}.state`, chainState(steps)]),
      );
    for (const [name, content] of files) this.#submit(name, content);
  }

  #submit(name: string, content: string): void {
    this.#initial.push(name);
    this.#oracle.submitted(name, content);
    const path = `${MOUNT}/${name}`;
    this.disk.create(path, content, this.#user());
    this.disk.sync(path);
    this.disk.sync(MOUNT);
    this.#hintAll();
  }

  #user(): Actor {
    return { client: USER.client, stamp: () => this.now() };
  }

  #hintAll(): void {
    // A hint, never the truth: some get lost.
    for (const process of this.#processes) if (this.#dice.chance(0.7)) process.hint();
  }

  #startSoon(host: number, ms: number): void {
    this.#starting += 1;
    this.at(this.now() + ms, () => {
      this.#starting -= 1;
      this.#start(host);
    });
  }

  #start(host: number, options = this.#scenario.hosts[host]!.options): void {
    const place = this.#hosts[host]!;
    if (place.process?.isAlive === true || this.#closing) return;
    place.process = this.#launch(host, options);
  }

  #launch(host: number, options: SimProcess['options']): SimProcess {
    const place = this.#hosts[host]!;
    place.starts += 1;
    const name = place.starts === 1 ? options.worker : `${options.worker}.${place.starts}`;
    const process = new SimProcess(
      this,
      name,
      place.clock,
      (...call) => this.#fault(...call),
      options,
    );
    this.#processes.add(process);
    this.trace(name, () => 'starts');
    void process.ended.then((exit) => this.#ended(host, process, exit));
    const chain = this.#chain({
      kill: () => this.#mischief('tick that kills', () => process.kill()),
      block: (ms) => this.#mischief('tick that blocks', () => process.block(ms)),
    });
    process.start(this.#options.registry ?? createRegistry([chain]));
    return process;
  }

  #chain(host: Host): Machine {
    const options = {
      seed: this.seed,
      mischief: this.#scenario.mischief,
      cycle: this.#cycle,
      lease: this.#lease,
      mayMisbehave: () => !this.#healing && this.#isAllowed(MISCHIEF),
    };
    return chainMachine(options, host);
  }

  #mischief(kind: string, act: () => void): void {
    this.#counts[kind] = (this.#counts[kind] ?? 0) + 1;
    act();
  }

  #fault(process: string, call: number, method: Method): ReturnType<FaultSource> {
    const fault = this.#faults(process, call, method);
    if (fault === undefined || !this.#isAllowed(`${process}#${call}`)) return undefined;
    // A volume has its caches for ever; but who shows what is older than a lease is beyond help.
    const remains = fault.kind === 'stale' && !this.#isTooStale;
    return this.#healing && !remains ? undefined : fault;
  }

  #isAllowed(id: string): boolean {
    return this.#options.only?.has(id) ?? true;
  }

  /** Whoever runs workers starts them again when they end badly. */
  #ended(host: number, process: SimProcess, exit: Exit): void {
    this.#processes.delete(process);
    if (exit.kind === 'refused' && !isExpected(exit.error)) this.#crash ??= exit.error;
    if (exit.kind === 'finished') this.#oracle.ended(process, exit.end, this.#initial);
    const isThrough = exit.kind === 'finished' && exit.end === 'empty';
    if (isThrough || this.#hosts[host]!.process !== process) return;
    if (!this.#healing || this.#scenario.core.includes(host)) {
      this.#startSoon(host, this.#dice.between(0, this.#lease));
    }
  }

  #strike(blow: Blow): void {
    const what = JSON.stringify(blow);
    this.injected({ id: blow.id, kind: blow.kind, what });
    this.trace('', () => what);
    switch (blow.kind) {
      case 'power':
        return this.losePower(blow.keep);
      case 'junk':
        return this.#putJunk(blow.what);
      case 'submit':
        return this.#submit(`${blow.name}.state`, chainState(blow.steps));
      case 'slow copy':
        return this.#copySlowly(`${blow.name}.state`, chainState(blow.steps), blow.ms);
      default:
        this.#strikeHost(blow);
    }
  }

  #strikeHost(blow: Extract<Blow, { host: number }>): void {
    const { clock, process } = this.#hosts[blow.host]!;
    switch (blow.kind) {
      case 'kill':
        return process?.kill();
      case 'ambush':
        return process?.ambush(blow.place);
      case 'stop':
        process?.askToStop();
        return this.#startSoon(blow.host, blow.restart);
      case 'suspend':
        return process?.suspend(blow.ms);
      case 'step':
        return clock.step(blow.ms);
      case 'no clock':
        clock.broken = true;
        this.at(this.now() + blow.ms, () => (clock.broken = false));
        return;
      case 'unmount':
        process?.unmount();
        this.at(this.now() + blow.ms, () => process?.mount());
        return;
      case 'twin': {
        const twin = this.#launch(blow.host, this.#scenario.hosts[blow.host]!.options);
        this.at(this.now() + blow.ms, () => twin.kill());
      }
    }
  }

  losePower(keep: number = 0.5): void {
    this.#powers += 1;
    for (const process of this.#processes) process.kill();
    this.disk.losePower(
      () => this.#dice.chance(keep),
      (file) => this.#tear(file),
    );
    this.trace('', () => 'the power is back');
    this.#oracle.powerIsBack();
  }

  #tear({ content, durable }: FileNode): string {
    const torn = content.slice(0, Math.floor(content.length * this.#dice.next()));
    return this.#dice.pick([
      content,
      durable ?? '',
      '',
      torn,
      torn + '\0'.repeat(content.length - torn.length),
    ]);
  }

  #putJunk(what: number): void {
    const [name, content] = JUNK[what % JUNK.length]!;
    const path = `${MOUNT}/${name}`;
    if (this.disk.stat(path) !== undefined) return;
    this.#oracle.submitted(name, content ?? '');
    if (content === undefined) this.disk.createOther(path, this.#user());
    else this.disk.create(path, content, this.#user());
    if (content !== undefined) this.disk.sync(path);
    this.disk.sync(MOUNT);
  }

  /** As `cp` does it: the name is there before the content is. Each piece comes within a cycle of the last. */
  #copySlowly(name: string, content: string, ms: number): void {
    this.#initial.push(name);
    this.#oracle.submitted(name, content);
    const path = `${MOUNT}/${name}`;
    this.disk.create(path, '', this.#user());
    this.disk.sync(MOUNT);
    const pieces = 4;
    for (let piece = 0; piece < pieces; piece += 1) {
      const part = content.slice(
        (piece * content.length) / pieces,
        ((piece + 1) * content.length) / pieces,
      );
      this.at(this.now() + (piece + 1) * ms, () => {
        if (this.disk.stat(path) === undefined) return;
        this.disk.append(path, part, this.#user());
        this.disk.sync(path);
        this.disk.sync(MOUNT);
      });
    }
  }

  /** Nothing goes wrong any more; the core is there, and everybody else is gone. */
  async #heal(): Promise<void> {
    this.#healing = true;
    this.trace('', () => 'faults stop');
    const { core, hosts } = this.#scenario;
    for (const { clock } of this.#hosts) clock.broken = false;
    for (const process of this.#processes) {
      process.resume();
      process.mount();
    }
    for (const [index, { process }] of this.#hosts.entries()) {
      if (process?.isAlive !== true && core.includes(index)) this.#startSoon(index, 0);
      else if (!core.includes(index)) process?.kill();
    }
    if (this.#isTooStale) for (const process of this.#processes) process.kill();
    // A tick that never comes back is nobody's to mend; but somebody has to be there for what it holds.
    const alive = [...this.#processes].filter((process) => process.isAlive);
    if (alive.every((process) => process.blockedFor > 0)) {
      for (const process of alive) process.kill();
    }
    const limit = this.now() + LEASES * this.#lease + CYCLES * this.#cycle;
    const isWatching = hosts[0]!.options.watch;
    await this.#agenda.run(
      () =>
        this.#isBad ||
        (isWatching ? this.#isAllDone() : this.#processes.size + this.#starting === 0),
      limit,
    );
    this.#closing = true;
    for (const process of this.#processes) process.askToStop();
    await this.#agenda.run(
      () => this.#isBad || this.#processes.size === 0,
      limit + 20 * this.#lease,
    );
    await this.#tidyUp();
    if (!this.#isBad) this.#oracle.finish(this.#initial);
  }

  #isAllDone(): boolean {
    return this.#oracle.unsettled(this.#initial) === undefined;
  }

  /** Whoever comes next finds what the dead have left, if the others ended before their leases did. */
  async #tidyUp(): Promise<void> {
    const caretaker = { ...this.#scenario.hosts[0]!.options, worker: 'caretaker', watch: true };
    for (const process of this.#processes) {
      this.trace(process.name, () => 'has not ended in time');
      process.kill();
    }
    if (this.#oracle.leftOver() === undefined) return;
    const process = this.#launch(0, caretaker);
    const limit = this.now() + LEASES * this.#lease + CYCLES * this.#cycle;
    const isTidy = (): boolean => this.#oracle.leftOver(caretaker.worker) === undefined;
    await this.#agenda.run(() => this.#isBad || isTidy(), limit);
    process.askToStop();
    await this.#agenda.run(
      () => this.#isBad || this.#processes.size === 0,
      this.now() + 20 * this.#lease,
    );
  }

  #outcome(): Outcome {
    const { violation, commits } = this.#oracle;
    return {
      seed: this.seed,
      ...describe(this.#crash, violation),
      time: this.now() - this.#scenario.start,
      events: this.#agenda.events,
      operations: this.#operations,
      states: this.disk.list(MOUNT).length,
      commits,
      ticks: this.#ticks,
      faults: this.#counts,
      injected: this.#injected,
    };
  }
}

function describe(
  crash: unknown,
  violation: Violation | undefined,
): Pick<Outcome, 'verdict' | 'message'> {
  if (crash !== undefined) {
    return {
      verdict: 'crash',
      message: (crash as Error).stack ?? String((crash as Error).message),
    };
  }
  if (violation === undefined) return { verdict: 'ok', message: '' };
  const { invariant, message } = violation;
  return {
    verdict: invariant === 'liveness' ? 'liveness' : 'safety',
    message: `${invariant}: ${message}`,
  };
}

/** An attempt that the volume does not let anybody count does not count. */
function ticksAllowed({ calm, rates, blows, limits }: Scenario): number {
  if (calm) return 1;
  const forgets = blows.some(({ kind }) => ['power', 'unmount', 'no clock'].includes(kind));
  const isSound = Object.keys(rates).length === 0 && limits.cache === 0 && !forgets;
  return isSound ? ATTEMPTS : Number.POSITIVE_INFINITY;
}

/** A worker may end because of its volume, or its name. Anything else is a mistake of ours. */
function isExpected(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string';
}
