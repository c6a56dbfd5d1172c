/** The machines that a worker runs: its own, and those that its engine stores, read when they are first needed. */
import { parseConfiguration } from '../machine/config.ts';
import type { Machine } from '../machine/definition.ts';
import { machineNameProblem } from '../machine/machine.ts';
import {
  activitiesOf,
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

/** Why a machine cannot be used. An undefined reason: there is no stored configuration of it. */
export type MissingMachine = NonNullable<Refusal['stored']>;

/** For how long a machine that was not found is not searched for again on behalf of failed states. */
const MISSING_CACHE_MS = 1000;

const NOT_STORED: MissingMachine = { reason: undefined, needsTrust: false };

type Stored = Pick<Configurations, 'get' | 'list'>;

export class Library {
  readonly #machines: () => Registry;
  readonly #stored: Stored;
  readonly #trustsStored: boolean;
  /** The worker's own machines, as of the last `#renew`. */
  #own: Registry;
  #known: KnownMachines;
  /** Stored machines that were needed so far. */
  #learned: readonly Machine[] = [];
  #registry: Registry;
  #newest: ReadonlyMap<string, string> = new Map();
  /** The last look. */
  #looked: { readonly asOf: number; readonly done: Promise<void>; isReady: boolean } | undefined;
  /** Machines that were not found since `since` (monotonic, ms). */
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

  /** Announced to other workers. The same object as long as nothing has changed. */
  get known(): KnownMachines {
    this.#renew();
    return this.#known;
  }

  /** Takes over own machines that have changed. */
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

  /** Newest version by stored name, as of the last look. */
  get newest(): ReadonlyMap<string, string> {
    return this.#newest;
  }

  /**
   * Lists stored configurations, and learns the machines of observed instances. Call it before tasks are planned; it acts
   * once for each look at the store (`asOf`).
   */
  async look(task: Pick<Task, 'asOf' | 'observe'>): Promise<void> {
    const { asOf } = task;
    if (this.#looked?.asOf === asOf) return this.#looked.done;
    this.#renew();
    const looked = { asOf, done: this.#look(task), isReady: false };
    this.#looked = looked;
    try {
      await looked.done;
      looked.isReady = true;
    } catch (error) {
      // A look for a later task may have begun meanwhile.
      if (this.#looked === looked) this.#looked = undefined;
      throw error;
    }
  }

  /** True if `look` for this task has already succeeded. */
  hasLooked({ asOf }: Pick<Task, 'asOf'>): boolean {
    return this.#looked?.asOf === asOf && this.#looked.isReady;
  }

  async #look(task: Pick<Task, 'observe'>): Promise<void> {
    await this.#list();
    for (const instance of sensorsOf(this.#own)) {
      const file = task.observe(instance);
      if (file === undefined) continue;
      const resolved = resolveState(this.#registry, file, this.#newest);
      if (resolved.ok || resolved.code !== 'unknown-machine') continue;
      await this.learn(file.machine ?? file.state);
    }
  }

  /** True if this worker could run this state file, or let it wait. `now`: monotonic, ms. */
  async runs(file: StateFile, now: number): Promise<boolean> {
    if (now - this.#missed.since >= MISSING_CACHE_MS) {
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

  /** Looks for `NAME` or `NAME:VERSION` in the engine. Returns undefined if the machine is known from now on. */
  async learn(wanted: string): Promise<MissingMachine | undefined> {
    const [name = '', given] = wanted.split(':');
    if (given === undefined) await this.#list();
    const version = given ?? this.#newest.get(name);
    // A valid name is also a valid file name.
    const isName = [name, version].every((part) => machineNameProblem(part) === undefined);
    if (version === undefined || !isName) return NOT_STORED;
    const key = { name, version };
    const text = await this.#stored.get(key);
    if (text === undefined) return NOT_STORED;
    const found = readStored(text, key);
    if (typeof found === 'string') return { reason: found, needsTrust: false };
    const commands = activitiesOf(found).some(({ kind }) => kind === 'command');
    if (commands && !this.#trustsStored) {
      const reason = `cannot run ${fullName(key)}: it is stored on the volume and runs commands; start a worker with --trust-volume`;
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

/** Returns the reason if it cannot be used. Working directories are relative to the worker's own. */
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
