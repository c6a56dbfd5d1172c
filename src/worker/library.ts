/** The machines that a worker runs: its own and, read when they are first wanted, those that its volume keeps. */
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
import type { ConfigurationName, KnownMachines, Session } from '../volume/operations.ts';

/** Among a token's machines: this worker runs commands of configurations that the volume keeps. */
export const TRUSTS_VOLUME = '*';

/** Why a machine is not to be had. `isUntrusted`: those that trust the volume have it. */
export interface Missing {
  /** Undefined: nobody has said anything about it. */
  readonly reason: string | undefined;
  readonly isUntrusted: boolean;
}

const NOTHING_KNOWN: Missing = { reason: undefined, isUntrusted: false };

type Source = Pick<Session, 'configurations' | 'sensor'>;

export class Library {
  readonly #machines: () => Registry;
  readonly #trustsVolume: boolean;
  /** Of the worker's own machines, those that are in use. */
  #own: Registry;
  /** Machines that the volume keeps, as far as they were wanted. */
  #learned: readonly Machine[] = [];
  #registry: Registry;
  /** Own machines that other workers know this one to have. */
  #announced: Registry;
  #newest: ReadonlyMap<string, string> = new Map();
  #looked = Number.NaN;
  /** Machines that were looked for in a cycle. */
  #missed = { cycle: Number.NaN, machines: new Set<string>() };

  /** `machines`: the worker's own; a function where they change: it returns another object then. */
  constructor(machines: Registry | (() => Registry), trustsVolume: boolean) {
    this.#machines = typeof machines === 'function' ? machines : () => machines;
    this.#own = this.#machines();
    this.#registry = this.#own;
    this.#announced = this.#own;
    this.#trustsVolume = trustsVolume;
  }

  /** Once a cycle: own machines that have changed are used from now on, and other workers know of them. */
  async renew(session: Pick<Session, 'announce'>): Promise<void> {
    const own = this.#machines();
    if (own !== this.#own) this.#use(own);
    if (own === this.#announced) return;
    await session.announce(knownOf(own, this.#trustsVolume));
    this.#announced = own;
  }

  #use(own: Registry): void {
    this.#own = own;
    const ofOwn = [...own.values()].flat();
    const names = new Set(ofOwn.map(fullName));
    this.#learned = this.#learned.filter((machine) => !names.has(fullName(machine)));
    this.#registry = createRegistry([...ofOwn, ...this.#learned]);
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** Of each name that the volume keeps: the newest version, as of the last look. */
  get newest(): ReadonlyMap<string, string> {
    return this.#newest;
  }

  /** Once a cycle. What machines look at has to be understood before they do. */
  async look(source: Source, cycle: number): Promise<void> {
    if (this.#looked === cycle) return;
    await this.#list(source);
    for (const instance of sensorsOf(this.#own)) {
      const file = source.sensor(instance);
      if (file === undefined) continue;
      const resolved = resolveState(this.#registry, file, this.#newest);
      if (resolved.ok || resolved.code !== 'unknown-machine') continue;
      await this.learn(file.machine ?? file.state, source);
    }
    this.#looked = cycle;
  }

  /** Would this state file run, or wait, here? What is not known is looked for once a cycle. */
  async runs(file: StateFile, source: Source, cycle: number): Promise<boolean> {
    if (this.#missed.cycle !== cycle) {
      await this.#list(source);
      this.#missed = { cycle, machines: new Set() };
    }
    const resolved = resolveState(this.#registry, file, this.#newest);
    if (resolved.ok || resolved.code !== 'unknown-machine') return resolved.ok;
    const wanted = file.machine ?? file.state;
    if (this.#missed.machines.has(wanted)) return false;
    this.#missed.machines.add(wanted);
    if ((await this.learn(wanted, source)) !== undefined) return false;
    return resolveState(this.#registry, file, this.#newest).ok;
  }

  async #list(source: Source): Promise<void> {
    const newest = new Map<string, string>();
    for (const { name, version } of await source.configurations.list()) {
      if (compareVersions({ version }, { version: newest.get(name) }) > 0)
        newest.set(name, version);
    }
    this.#newest = newest;
  }

  /** `NAME` or `NAME:VERSION`, which may have come just now. Undefined: it is known from now on. */
  async learn(wanted: string, source: Source): Promise<Missing | undefined> {
    const [name = '', given] = wanted.split(':');
    if (given === undefined) await this.#list(source);
    const version = given ?? this.#newest.get(name);
    // It becomes a file's name.
    const isName = [name, version].every((part) => machineNameProblem(part) === undefined);
    if (version === undefined || !isName) return NOTHING_KNOWN;
    const key = { name, version };
    const text = await source.configurations.get(key);
    if (text === undefined) return NOTHING_KNOWN;
    const found = readStored(text, key);
    if (typeof found === 'string') return { reason: found, isUntrusted: false };
    const commands = [...found.activities.values()].some(({ kind }) => kind === 'command');
    if (commands && !this.#trustsVolume) {
      const reason = `${fullName(key)} is stored on the volume and runs commands, which a worker does with --trust-volume only`;
      return { reason, isUntrusted: true };
    }
    this.#learned = [...this.#learned, found];
    this.#registry = createRegistry([...this.#registry.values(), [found]].flat());
    return undefined;
  }
}

/** As a token lists them. */
export function knownOf(own: Registry, trustsVolume: boolean): KnownMachines {
  const machines = [...machineNames(own), ...(trustsVolume ? [TRUSTS_VOLUME] : [])];
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
