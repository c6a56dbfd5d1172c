/** The machines that a worker runs: its own, and those that its engine stores, read when they are first wanted. */
import { parseConfiguration } from '../machine/config.ts';
import type { Machine } from '../machine/definition.ts';
import { machineNameProblem } from '../machine/machine.ts';
import {
  compareVersions,
  createRegistry,
  fullName,
  machineNames,
  machineStates,
  resolveState,
  sensorsOf,
  type Registry,
} from '../machine/registry.ts';
import type { StateFile } from '../machine/state-file.ts';
import type { Configurations, ConfigurationName } from '../engine/engine.ts';
import type { KnownMachines, Refusal, Task } from '../engine/session.ts';

/** Among the machines that a worker announces: it also runs commands of configurations that the engine stores. */
const TRUSTS_STORED = '*';

/** Why a machine is not to be had. An undefined reason: no stored configuration says anything about it. */
export type Missing = NonNullable<Refusal['stored']>;

/** Milliseconds for which a machine that was not found is not looked for again on behalf of failed states. */
const MISSED_MS = 1000;

const NOTHING_KNOWN: Missing = { reason: undefined, needsTrust: false };

type Stored = Pick<Configurations, 'get' | 'list'>;

export class Library {
  readonly #machines: () => Registry;
  readonly #stored: Stored;
  readonly #trustsStored: boolean;
  /** The worker's own machines that are in use. */
  #own: Registry;
  #known: KnownMachines;
  /** Stored machines, as far as they were wanted. */
  #learned: readonly Machine[] = [];
  #registry: Registry;
  #newest: ReadonlyMap<string, string> = new Map();
  /** Of the last look. */
  #looked: { readonly asOf: number; readonly done: Promise<void> } | undefined;
  /** Machines that were not found since then (monotonic, ms). */
  #missed = { since: Number.NEGATIVE_INFINITY, machines: new Set<string>() };

  /** `machines`: the worker's own; another object when they have changed. */
  constructor(machines: () => Registry, stored: Stored, trustsStored: boolean) {
    this.#machines = machines;
    this.#stored = stored;
    this.#own = machines();
    this.#registry = this.#own;
    this.#trustsStored = trustsStored;
    this.#known = knownOf(this.#own, trustsStored);
  }

  /** What other workers are told. The same object as long as nothing has changed. */
  get known(): KnownMachines {
    this.#renew();
    return this.#known;
  }

  /** Own machines that have changed are used from now on. */
  #renew(): void {
    const own = this.#machines();
    if (own === this.#own) return;
    this.#own = own;
    this.#known = knownOf(own, this.#trustsStored);
    const ofOwn = [...own.values()].flat();
    const names = new Set(ofOwn.map(fullName));
    this.#learned = this.#learned.filter((machine) => !names.has(fullName(machine)));
    this.#registry = createRegistry([...ofOwn, ...this.#learned]);
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** Of each stored name: the newest version, as of the last look. */
  get newest(): ReadonlyMap<string, string> {
    return this.#newest;
  }

  /**
   * Before tasks are planned, once for each look at the store that they are from. The machines of instances that are
   * observed must be known before those are.
   */
  async look({ asOf, observe }: Pick<Task, 'asOf' | 'observe'>): Promise<void> {
    if (this.#looked?.asOf === asOf) return this.#looked.done;
    this.#renew();
    const done = this.#look(observe);
    this.#looked = { asOf, done };
    try {
      await done;
    } catch (error) {
      this.#looked = undefined;
      throw error;
    }
  }

  /** Nothing to wait for. */
  hasLooked({ asOf }: Pick<Task, 'asOf'>): boolean {
    return this.#looked?.asOf === asOf && this.#isReady;
  }

  #isReady = false;

  async #look(observe: Task['observe']): Promise<void> {
    this.#isReady = false;
    await this.#list();
    for (const instance of sensorsOf(this.#own)) {
      const file = observe(instance);
      if (file === undefined) continue;
      const resolved = resolveState(this.#registry, file, this.#newest);
      if (resolved.ok || resolved.code !== 'unknown-machine') continue;
      await this.learn(file.machine ?? file.state);
    }
    this.#isReady = true;
  }

  /** Would this state file run, or wait, here? `now`: monotonic, ms. */
  async runs(file: StateFile, now: number): Promise<boolean> {
    if (now - this.#missed.since >= MISSED_MS) {
      await this.#list();
      this.#missed = { since: now, machines: new Set() };
    }
    const resolved = resolveState(this.#registry, file, this.#newest);
    if (resolved.ok || resolved.code !== 'unknown-machine') return resolved.ok;
    const wanted = file.machine ?? file.state;
    if (this.#missed.machines.has(wanted)) return false;
    this.#missed.machines.add(wanted);
    if ((await this.learn(wanted)) !== undefined) return false;
    return resolveState(this.#registry, file, this.#newest).ok;
  }

  async #list(): Promise<void> {
    const newest = new Map<string, string>();
    for (const { name, version } of await this.#stored.list()) {
      if (compareVersions({ version }, { version: newest.get(name) }) > 0)
        newest.set(name, version);
    }
    this.#newest = newest;
  }

  /** `NAME` or `NAME:VERSION`, which may have come just now. Undefined: it is known from now on. */
  async learn(wanted: string): Promise<Missing | undefined> {
    const [name = '', given] = wanted.split(':');
    if (given === undefined) await this.#list();
    const version = given ?? this.#newest.get(name);
    // It becomes a file's name.
    const isName = [name, version].every((part) => machineNameProblem(part) === undefined);
    if (version === undefined || !isName) return NOTHING_KNOWN;
    const key = { name, version };
    const text = await this.#stored.get(key);
    if (text === undefined) return NOTHING_KNOWN;
    const found = readStored(text, key);
    if (typeof found === 'string') return { reason: found, needsTrust: false };
    const commands = [...found.activities.values()].some(({ kind }) => kind === 'command');
    if (commands && !this.#trustsStored) {
      const reason = `${fullName(key)} is stored on the volume and runs commands, which a worker does with --trust-volume only`;
      return { reason, needsTrust: true };
    }
    this.#learned = [...this.#learned, found];
    this.#registry = createRegistry([...this.#registry.values(), [found]].flat());
    return undefined;
  }
}

function knownOf(own: Registry, trustsStored: boolean): KnownMachines {
  const machines = [...machineNames(own), ...(trustsStored ? [TRUSTS_STORED] : [])];
  return { machines, states: machineStates(own) };
}

/** Or why it cannot be used. Working directories are relative to where the worker was started. */
function readStored(text: string, key: ConfigurationName): Machine | string {
  const file = `${fullName(key)}, stored on the volume`;
  try {
    const machine = parseConfiguration(text, { file, folder: '.', version: key.version });
    if (fullName(machine) === fullName(key)) return machine;
    return `${file}, cannot be used: it says that it is ${fullName(machine)}`;
  } catch (error) {
    return `${file}, cannot be used: ${(error as Error).message}`;
  }
}
