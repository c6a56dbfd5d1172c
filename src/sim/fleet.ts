/** The simulated hosts and the worker processes on them: who is there, who starts again. */
import type { Registry } from '../machine/registry.ts';
import type { Prng } from './prng.ts';
import type { FaultSource } from './faults.ts';
import { HostClock } from './host-clock.ts';
import type { Host as TickHost } from './machines.ts';
import { type Exit, type ProcessOptions } from './process-options.ts';
import { SimProcess } from './process.ts';
import type { Scenario } from './scenario.ts';
import type { SimulatedWorld } from './world.ts';

interface Host {
  readonly clock: HostClock;
  readonly options: ProcessOptions;
  /** The one that is started again; twins are beside it. */
  process: SimProcess | undefined;
  starts: number;
}

export interface FleetOptions {
  readonly faults: FaultSource;
  /** The machines of a new process. */
  readonly registry: (host: TickHost) => Registry;
  readonly onTickFault: (kind: string, act: () => void) => void;
  readonly onEnded: (process: SimProcess, exit: Exit) => void;
  /** It ends, but began before the last state was put in: its last look may have been before that, too. */
  readonly mayHaveLookedTooEarly: (process: SimProcess) => boolean;
  /** Is this host's process to be started again when it ends badly? */
  readonly mayRestart: (host: number) => boolean;
}

export class Fleet {
  readonly hosts: readonly Host[];
  /** All that live, twins included. */
  readonly processes: Set<SimProcess> = new Set();
  readonly #world: SimulatedWorld;
  readonly #prng: Prng;
  readonly #options: FleetOptions;
  #starting = 0;
  #closed = false;

  constructor(world: SimulatedWorld, prng: Prng, scenario: Scenario, options: FleetOptions) {
    this.#world = world;
    this.#prng = prng;
    this.#options = options;
    this.hosts = scenario.hosts.map(({ clock, options: process }) => ({
      clock: new HostClock(
        () => world.now(),
        () => prng.next(),
        clock,
      ),
      options: process,
      process: undefined,
      starts: 0,
    }));
  }

  /** No process runs, and none is about to start. */
  get isEmpty(): boolean {
    return this.processes.size + this.#starting === 0;
  }

  named(client: string): SimProcess | undefined {
    return [...this.processes].find(({ name }) => name === client);
  }

  owner(session: string): SimProcess | undefined {
    return [...this.processes].find((one) => one.session?.token.session === session);
  }

  startSoon(host: number, ms: number): void {
    this.#starting += 1;
    this.#world.at(this.#world.now() + ms, () => {
      this.#starting -= 1;
      this.#start(host);
    });
  }

  /** Starts one more process there. */
  launch(host: number, options: ProcessOptions = this.hosts[host]!.options): SimProcess {
    const place = this.hosts[host]!;
    place.starts += 1;
    const name = place.starts === 1 ? options.worker : `${options.worker}.${place.starts}`;
    const { faults, registry, onTickFault } = this.#options;
    const process = new SimProcess(this.#world, name, place.clock, faults, options);
    if (place.clock.asleep > 0) process.suspend(place.clock.asleep);
    this.processes.add(process);
    this.#world.trace(name, () => 'starts');
    void process.ended.then((exit) => this.#ended(host, process, exit));
    process.start(
      registry({
        kill: () => onTickFault('tick that kills', () => process.kill()),
        block: (ms) => onTickFault('tick that blocks', () => process.block(ms)),
      }),
    );
    return process;
  }

  /** Suspends the processes of that host, and its monotonic clock. */
  sleep(host: number, ms: number): void {
    const { clock } = this.hosts[host]!;
    clock.sleep(ms);
    for (const one of this.processes) if (one.clock === clock) one.suspend(ms);
  }

  /** No process is restarted any more. */
  close(): void {
    this.#closed = true;
  }

  #start(host: number): void {
    const place = this.hosts[host]!;
    if (place.process?.isAlive !== true && !this.#closed) place.process = this.launch(host);
  }

  /** Starts a worker again that has ended with an error, as a user would. */
  #ended(host: number, process: SimProcess, exit: Exit): void {
    this.processes.delete(process);
    this.#options.onEnded(process, exit);
    const isThrough =
      exit.kind === 'finished' &&
      exit.end === 'empty' &&
      !this.#options.mayHaveLookedTooEarly(process);
    if (isThrough || this.hosts[host]!.process !== process) return;
    if (this.#options.mayRestart(host)) {
      this.startSoon(host, this.#prng.between(0, process.options.lease));
    }
  }
}
