/** Counts what a fleet asks of its volume: the real worker in virtual time, without faults. */
import { basename, dirname } from 'node:path/posix';
import { done, next, type Answer } from '../../src/machine/answer.ts';
import type { TickContext } from '../../src/machine/definition.ts';
import { machine } from '../../src/machine/machine.ts';
import { createRegistry, type Registry } from '../../src/machine/registry.ts';
import { formatStateFile } from '../../src/machine/state-file.ts';
import { cycleLength, type PhaseLengths } from '../../src/volume/phases/cycle.ts';
import { SMALL_BACKLOG_STATES } from '../../src/volume/phases/claim-plan.ts';
import type { VolumeOperations } from '../../src/volume/operations.ts';
import type { DirectoryOperations } from '../../src/volume/directory-operations.ts';
import { EventQueue, HostClock } from '../../src/sim/virtual-time.ts';
import { tallyKey, type Count } from './cost-model.ts';
import { Prng } from '../../src/sim/prng.ts';
import { Disk, MOUNT } from '../../src/sim/disk.ts';
import type { Method } from '../../src/sim/faults.ts';
import { SimProcess, type ProcessOptions, type SimulatedWorld } from '../../src/sim/process.ts';
import { User } from '../../src/sim/user.ts';

/** What a step leaves besides its flag; an output or a successor has a record too. */
export type Leaves = 'nothing' | 'output' | 'successor';

/** Times are milliseconds. */
export interface Setting {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly concurrency: number;
  /** Mean length of a tick; single ones are half as long to one and a half times as long. */
  readonly tick: number;
  readonly leaves: Leaves;
  /** The file system reports no changes. */
  readonly network: boolean;
}

/** How many states there are: workers list their directories differently for each. */
export type Stock = 'none' | 'few' | 'many';

const START = 1_700_000_000_000;
const MACHINE = 'counted';
const CAPACITY = 16_384;
/** Of one file operation. */
const LATENCY_MS = 0.05;
const TICK_TIMEOUT_MS = 20 * 86_400_000;
const COUNTED_FLEETS: readonly number[] = [1, 2, 4, 8];
/** Factor: more states than the fleet gets through. */
const STATES_RESERVE = 1.2;
/** Beyond those: what workers hold. */
const HELD_STATES = 100;
const MIN_TICKS_COUNTED = 2;
const MIN_LEASES_COUNTED = 2;
const MIN_CYCLES_COUNTED = 10;

/** Milliseconds from the start: counting begins when all workers tick and listings are rare. */
function windowOf({ phases, lease, tick }: Setting): { begin: number; end: number } {
  const cycle = cycleLength(phases);
  const begin = 2 * cycle + Math.max(lease, 2 * tick);
  const length = Math.max(
    MIN_TICKS_COUNTED * tick,
    MIN_LEASES_COUNTED * lease,
    MIN_CYCLES_COUNTED * cycle,
  );
  return { begin, end: begin + length };
}

/** Upper bound of the steps that a fleet commits in all. */
function stepsOf(setting: Setting, workers: number): number {
  const { concurrency, tick, leaves } = setting;
  if (leaves === 'successor') return 0;
  return workers * concurrency * (windowOf(setting).end / tick) * STATES_RESERVE;
}

/** State files that last until counting ends: as few, or as many, as `stock` says. */
export function statesOf(setting: Setting, stock: Stock, workers: number): number {
  if (stock === 'none') return 0;
  return stock === 'few'
    ? SMALL_BACKLOG_STATES - 1
    : SMALL_BACKLOG_STATES + Math.ceil(stepsOf(setting, workers) + HELD_STATES);
}

/** Sizes of fleets to count. With few states, larger fleets would run out of them before counting ends. */
export function fleetsOf(setting: Setting, stock: Stock): number[] {
  const held = (workers: number): number => 2 * workers * setting.concurrency;
  return COUNTED_FLEETS.filter(
    (workers) =>
      stock !== 'few' || stepsOf(setting, workers) + held(workers) < SMALL_BACKLOG_STATES,
  );
}

/** The same setting, stock and size give the same counts, to the last one. */
export async function countOperations(
  setting: Setting,
  stock: Stock,
  workers: number,
): Promise<Count> {
  const fleet = new CountedFleet(setting);
  fleet.submit(statesOf(setting, stock, workers));
  fleet.start(workers);
  return fleet.count(workers);
}

class CountedFleet implements SimulatedWorld {
  readonly seed: string = 'scale';
  readonly disk: Disk;
  readonly #setting: Setting;
  readonly #queue: EventQueue = new EventQueue(START);
  readonly #processes: SimProcess[] = [];
  readonly #prng: Prng = new Prng('scale');
  readonly #user: User;
  #tally: Record<string, number> = {};

  constructor(setting: Setting) {
    this.#setting = setting;
    this.disk = new Disk(
      () => this.now(),
      0,
      ({ path, after }) => {
        if (after !== undefined && dirname(path) === MOUNT) this.#tellAll(basename(path));
      },
    );
    this.#user = new User({
      disk: this.disk,
      now: () => this.now(),
      at: (time, act) => this.at(time, act),
      expect: () => undefined,
      sent: () => undefined,
    });
    this.disk.makeDirectory(MOUNT, this.#user);
  }

  submit(states: number): void {
    const content = formatStateFile({ state: MACHINE, payload: {} });
    for (let index = 0; index < states; index += 1) this.#user.submit(`s${index}.state`, content);
  }

  start(workers: number): void {
    const { phases, lease, concurrency, network } = this.#setting;
    const registry = registryFor(this.#setting);
    for (let index = 0; index < workers; index += 1) {
      const options: ProcessOptions = {
        worker: `w${index}`,
        phases,
        lease,
        concurrency,
        capacity: CAPACITY,
        assign: 'slices',
        follow: true,
        watch: true,
        eager: false,
        freshListings: !network,
        repeats: network,
        latency: LATENCY_MS,
        taken: 'EEXIST',
        maxLinks: Number.POSITIVE_INFINITY,
        protectsLinks: false,
        stamps: 'volume',
      };
      const clock = new HostClock(
        () => this.now(),
        () => this.#prng.next(),
        { offset: 0, drift: 0, jitter: 0 },
      );
      const process = new SimProcess(this, options.worker, clock, () => undefined, options);
      this.#processes.push(process);
      const soon = this.#prng.between(0, cycleLength(phases));
      this.at(START + soon, () => process.start(registry));
    }
  }

  async count(workers: number): Promise<Count> {
    const { begin, end } = windowOf(this.#setting);
    const never = (): boolean => false;
    await this.#queue.run(never, START + begin);
    this.#tally = {};
    await this.#queue.run(never, START + end);
    for (const process of this.#processes) process.kill();
    return { workers, seconds: (end - begin) / 1000, tally: this.#tally };
  }

  asked(_process: SimProcess, method: Method, path: string): void {
    const key = tallyKey(method, path.slice(MOUNT.length + 1));
    this.#tally[key] = (this.#tally[key] ?? 0) + 1;
  }

  /** File events of a local file system. */
  #tellAll(name: string): void {
    for (const process of this.#processes) process.hint(name);
  }

  now(): number {
    return this.#queue.now;
  }

  at(time: number, act: () => void): () => void {
    return this.#queue.at(time, act);
  }

  afterUnlessPowerFails(ms: number, act: () => void): void {
    this.at(this.now() + ms, act);
  }

  observe(_process: SimProcess, session: DirectoryOperations): VolumeOperations {
    return session;
  }

  losePower(): void {}
  trace(): void {}
  injected(): void {}
  beats(): void {}
  ticked(): void {}
}

/** Chains do not end: their last steps would cost something else. */
function registryFor({ tick, leaves }: Setting): Registry {
  const answers: Record<Leaves, () => Answer> = {
    nothing: () => done(),
    output: () => done({ counted: true }),
    successor: () => next(MACHINE),
  };
  const run = async ({ idempotencyKey, pause }: TickContext): Promise<Answer> => {
    await pause(tick * new Prng(idempotencyKey).between(0.5, 1.5));
    return answers[leaves]();
  };
  const activity = { tick: run, timeout: TICK_TIMEOUT_MS };
  return createRegistry([machine({ name: MACHINE, activities: { [MACHINE]: activity } })]);
}
