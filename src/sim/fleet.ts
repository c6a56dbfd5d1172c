/** The simulated hosts and the worker processes on them: who is there, who starts again. */
import type { Registry } from '../machine/registry.ts';
import type { Prng } from './prng.ts';
import { HostClock, type ClockTraits } from './virtual-time.ts';
import type { Exit, HostProcess, HostProcessOptions, ProcessWorld } from './host-process.ts';
import type { Host as TickHost } from './workloads.ts';

/** A host, as a scenario describes it. */
export interface HostPlan<Options extends HostProcessOptions> {
  readonly clock: ClockTraits;
  readonly options: Options;
}

interface Host<Process, Options> {
  readonly clock: HostClock;
  readonly options: Options;
  /** The one that is started again; twins are beside it. */
  process: Process | undefined;
  starts: number;
}

export interface FleetOptions<
  Options extends HostProcessOptions,
  Process extends HostProcess<Options>,
> {
  readonly make: (name: string, clock: HostClock, options: Options) => Process;
  /** The machines of a new process. */
  readonly registry: (host: TickHost, options: Options) => Registry;
  readonly onTickFault: (kind: string, act: () => void) => void;
  readonly onEnded: (process: Process, exit: Exit) => void;
  /** It ends, but began before the last state was put in: its last look may have been before that, too. */
  readonly mayHaveLookedTooEarly: (process: Process) => boolean;
  /** Is this host's process to be started again when it ends badly? */
  readonly mayRestart: (host: number) => boolean;
}

export class Fleet<Options extends HostProcessOptions, Process extends HostProcess<Options>> {
  readonly hosts: readonly Host<Process, Options>[];
  /** All that live, twins included. */
  readonly processes: Set<Process> = new Set();
  readonly #world: ProcessWorld;
  readonly #prng: Prng;
  readonly #options: FleetOptions<Options, Process>;
  #starting = 0;
  #closed = false;

  constructor(
    world: ProcessWorld,
    prng: Prng,
    hosts: readonly HostPlan<Options>[],
    options: FleetOptions<Options, Process>,
  ) {
    this.#world = world;
    this.#prng = prng;
    this.#options = options;
    this.hosts = hosts.map(({ clock, options: process }) => ({
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

  named(client: string): Process | undefined {
    return [...this.processes].find(({ name }) => name === client);
  }

  startSoon(host: number, ms: number): void {
    this.#starting += 1;
    this.#world.at(this.#world.now() + ms, () => {
      this.#starting -= 1;
      this.#start(host);
    });
  }

  /** Starts one more process there. */
  launch(host: number, options: Options = this.hosts[host]!.options): Process {
    const place = this.hosts[host]!;
    place.starts += 1;
    const name = place.starts === 1 ? options.worker : `${options.worker}.${place.starts}`;
    const { make, registry, onTickFault } = this.#options;
    const process = make(name, place.clock, options);
    if (place.clock.asleep > 0) process.suspend(place.clock.asleep);
    this.processes.add(process);
    this.#world.trace(name, () => 'starts');
    void process.ended.then((exit) => this.#ended(host, process, exit));
    process.start(
      registry(
        {
          kill: () => onTickFault('tick that kills', () => process.kill()),
          block: (ms) => onTickFault('tick that blocks', () => process.block(ms)),
        },
        options,
      ),
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
  #ended(host: number, process: Process, exit: Exit): void {
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
