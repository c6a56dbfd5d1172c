/** Counts the file operations of a fleet without faults: the real worker in virtual time. */
import { basename, dirname } from 'node:path/posix';
import { done, next, type Answer } from '../machine/answer.ts';
import type { TickContext } from '../machine/definition.ts';
import { machine } from '../machine/machine.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';
import { formatStateFile } from '../machine/state-file.ts';
import { cycleLength, type PhaseLengths } from '../volume/phases/cycle.ts';
import { FEW } from '../volume/phases/claim-plan.ts';
import type { VolumeOperations } from '../volume/operations.ts';
import type { DirectoryOperations } from '../volume/directory-operations.ts';
import { EventQueue } from './event-queue.ts';
import { tallyKey, type Count } from './cost-model.ts';
import { Prng } from './prng.ts';
import { Disk } from './disk.ts';
import type { Method } from './faults.ts';
import { HostClock } from './host-clock.ts';
import { MOUNT, type ProcessOptions } from './process-options.ts';
import { SimProcess } from './process.ts';
import { User } from './user.ts';
import type { World } from './world.ts';

/** What a step writes besides its flag: an output or a successor also needs a record. */
export type Leaves = 'nothing' | 'output' | 'successor';

/** Times are milliseconds. */
export interface Setting {
  readonly phases: PhaseLengths;
  readonly lease: number;
  readonly concurrency: number;
  /** Mean length of a tick; single ticks vary by half of it. */
  readonly tick: number;
  readonly leaves: Leaves;
  /** The volume sends no file events. */
  readonly network: boolean;
}

/** The amount of waiting states: workers choose their listings by it. */
export type Stock = 'none' | 'few' | 'many';

const START_MS = 1_700_000_000_000;
const MACHINE = 'counted';
const CAPACITY_STATES = 16_384;
const LATENCY_MS = 0.05;
const TIMEOUT_MS = 20 * 86_400_000;
const FLEET_SIZES: readonly number[] = [1, 2, 4, 8];
/** A safety factor on the steps that a fleet can do. */
const RESERVE_FACTOR = 1.2;
/** For the states that workers hold, so that the backlog stays large. */
const HELD_STATES = 100;
const TICKS_COUNTED = 2;
const LEASES_COUNTED = 2;
const CYCLES_COUNTED = 10;

/** Milliseconds from the start. Counting begins when all workers are busy and their listings are steady. */
function windowOf({ phases, lease, tick }: Setting): { begin: number; end: number } {
  const cycle = cycleLength(phases);
  const begin = 2 * cycle + Math.max(lease, 2 * tick);
  const length = Math.max(TICKS_COUNTED * tick, LEASES_COUNTED * lease, CYCLES_COUNTED * cycle);
  return { begin, end: begin + length };
}

/** Upper bound of the steps that a fleet commits until counting ends. */
function stepsOf(setting: Setting, workers: number): number {
  const { concurrency, tick, leaves } = setting;
  if (leaves === 'successor') return 0;
  return workers * concurrency * (windowOf(setting).end / tick) * RESERVE_FACTOR;
}

/** State files that `stock` stands for; many of them last until counting ends. */
export function statesOf(setting: Setting, stock: Stock, workers: number): number {
  if (stock === 'none') return 0;
  return stock === 'few' ? FEW - 1 : FEW + Math.ceil(stepsOf(setting, workers) + HELD_STATES);
}

/** Fleet sizes to count. With few states, those that would run out of them before counting ends are left out. */
export function fleetsOf(setting: Setting, stock: Stock): number[] {
  const held = (workers: number): number => 2 * workers * setting.concurrency;
  return FLEET_SIZES.filter(
    (workers) => stock !== 'few' || stepsOf(setting, workers) + held(workers) < FEW,
  );
}

/** Deterministic: the same setting, stock and size give the same counts. */
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

class CountedFleet implements World {
  readonly seed: string = 'scale';
  readonly disk: Disk;
  readonly #setting: Setting;
  readonly #queue: EventQueue = new EventQueue(START_MS);
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
        capacity: CAPACITY_STATES,
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
      this.at(START_MS + soon, () => process.start(registry));
    }
  }

  async count(workers: number): Promise<Count> {
    const { begin, end } = windowOf(this.#setting);
    const never = (): boolean => false;
    await this.#queue.run(never, START_MS + begin);
    this.#tally = {};
    await this.#queue.run(never, START_MS + end);
    for (const process of this.#processes) process.kill();
    return { workers, seconds: (end - begin) / 1000, tally: this.#tally };
  }

  asked(_process: SimProcess, method: Method, path: string): void {
    const key = tallyKey(method, path.slice(MOUNT.length + 1));
    this.#tally[key] = (this.#tally[key] ?? 0) + 1;
  }

  /** File events, as the kernel sends them on a local file system. */
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

/** Chains do not end here: a last step writes something else. */
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
  const activity = { tick: run, timeout: TIMEOUT_MS };
  return createRegistry([machine({ name: MACHINE, activities: { [MACHINE]: activity } })]);
}
