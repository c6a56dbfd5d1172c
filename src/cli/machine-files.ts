/**
 * The machines of `--machines`, file by file, so that a file can be reloaded while a worker runs. A file that cannot be
 * loaded, or is removed, keeps its last good version.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import type { Machine } from '../machine/definition.ts';
import { createRegistry, fullName, sensorsOf, type Registry } from '../machine/registry.ts';
import { shippedMachines } from '../machine/shipped.ts';
import { filesIn, loadMachine } from './machines.ts';

export interface Reloaded {
  readonly file: string;
  /** Undefined: the new version is in use. */
  readonly problem?: Error;
}

export class MachineFiles {
  readonly #paths: readonly string[];
  /** By absolute path. */
  #machines: ReadonlyMap<string, Machine> = new Map();
  #registry: Registry = createRegistry(shippedMachines);
  #version = 0;

  constructor(paths: readonly string[]) {
    this.#paths = paths.map((path) => resolve(path));
  }

  /** Absolute paths of folders and files. */
  get paths(): readonly string[] {
    return this.#paths;
  }

  /** The shipped machines and those of the files, as last loaded. */
  get registry(): Registry {
    return this.#registry;
  }

  /** Of the last reload; 0 before the first one. */
  get version(): number {
    return this.#version;
  }

  /** All of them, or none: throws as `loadMachines`. */
  async load(): Promise<void> {
    const machines = new Map<string, Machine>();
    for (const file of this.#paths.flatMap(filesIn)) machines.set(file, await loadMachine(file));
    this.#use(machines);
  }

  /** Reloads every file, or those in `files`; uses those that load. `version`: larger than any before. */
  async reload(version: number, files?: readonly string[]): Promise<Reloaded[]> {
    this.#version = version;
    forgetRequired(this.#paths);
    const sensors = new Set(sensorsOf(this.#registry));
    const isFirst = this.#machines.size === 0;
    const reloaded: Reloaded[] = [];
    for (const file of files ?? this.#paths.flatMap(listed)) {
      try {
        const machine = await loadMachine(file, String(version));
        const unseen = machine.sensors.filter((instance) => !sensors.has(instance));
        if (unseen.length > 0 && !isFirst) throw new Error(needsRestart(file, unseen));
        const others = [...this.#machines].filter(
          ([path, other]) => !isReplaced(path, other, file, machine),
        );
        this.#use(new Map([...others, [file, machine]]));
        reloaded.push({ file });
      } catch (error) {
        reloaded.push({ file, problem: error as Error });
      }
    }
    return reloaded;
  }

  #use(machines: ReadonlyMap<string, Machine>): void {
    const files = new Map([...machines].map(([file, machine]) => [machine, file]));
    this.#registry = createRegistry([...shippedMachines, ...machines.values()], files);
    this.#machines = machines;
  }
}

/** True for a renamed file, whose machine now belongs to another file. */
function isReplaced(path: string, other: Machine, file: string, machine: Machine): boolean {
  return path !== file && fullName(other) === fullName(machine) && !existsSync(path);
}

/** A session's sensors are fixed when it begins. */
const needsRestart = (file: string, instances: readonly string[]): string =>
  `${file} cannot be used without a restart: its machine looks at ${instances.join(', ')}, which no machine did before`;

/** Empty for a folder that is empty or missing. */
function listed(path: string): string[] {
  try {
    return filesIn(path);
  } catch {
    return [];
  }
}

/** Node caches CommonJS modules by path: the version in the URL does not reload them. */
function forgetRequired(folders: readonly string[]): void {
  const { cache } = createRequire(import.meta.url);
  for (const path of Object.keys(cache)) {
    const isOurs = folders.some((folder) => path === folder || path.startsWith(`${folder}/`));
    if (isOurs && !path.includes('/node_modules/')) delete cache[path];
  }
}
