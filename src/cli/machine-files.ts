/**
 * The machines of `--machines`, file by file, so that a file can be reloaded while a worker runs, when its writing has finished.
 * A file that cannot be loaded, or is removed, keeps its last good version.
 */
import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve, basename, dirname, extname } from 'node:path';
import { isNetworkFileSystem } from '../api/node-ports.ts';
import type { Log } from '../engine/ports.ts';
import type { Machine } from '../machine/definition.ts';
import {
  createRegistry,
  fullName,
  sensorsOf,
  machineNames,
  type Registry,
} from '../machine/registry.ts';
import { shippedMachines } from '../machine/shipped.ts';
import { filesIn, loadMachine, isMachineName } from './machines.ts';

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

/** Time without a change after which a file counts as written. */
const STABLE_MS = 300;
const POLL_MS = 100;

/** Reloads files that have changed. Returns a function that stops watching. */
export async function watchMachines(files: MachineFiles, log: Log): Promise<() => Promise<void>> {
  const { paths } = files;
  if (paths.length === 0) return () => Promise.resolve();
  // Threads load the machines, too, and watch nothing.
  const { watch } = await import('chokidar');
  const folders = paths.filter((path) => statSync(path).isDirectory());
  const isMachine = (path: string): boolean =>
    paths.includes(path) || (folders.includes(dirname(path)) && isMachineName(basename(path)));
  let changed = new Set<string>();
  let reloading: Promise<void> = Promise.resolve();
  const watcher = watch([...paths], {
    ignored: (path) => isIgnored(path, paths),
    ignoreInitial: true,
    awaitWriteFinish: { stabilityThreshold: STABLE_MS, pollInterval: POLL_MS },
    backend: paths.some(isNetworkFileSystem) ? 'polling' : 'native',
    pollingInterval: POLL_MS * 10,
    persistent: false,
  });
  const reload = async (): Promise<void> => {
    const written = [...changed];
    changed = new Set();
    if (written.length === 0) return;
    const before = files.registry;
    // A module that is not a machine may be imported by any of them: reload all.
    const wanted = written.every((path) => isMachine(path)) ? written : undefined;
    for (const one of await files.reload(files.version + 1, wanted)) report(one, log);
    if (files.registry === before) return;
    log.info({ machines: machineNames(files.registry) }, 'reloaded machines');
  };
  const note = (path: string): void => {
    changed.add(path);
    reloading = reloading.then(reload);
  };
  watcher.on('add', note).on('change', note);
  watcher.on('unlink', (path) => {
    if (!isMachine(path)) return;
    log.warn({ file: path }, 'machine file removed; its machine stays until a restart');
  });
  watcher.on('error', (error) =>
    log.warn({ err: error }, 'cannot watch --machines; changes need a restart'),
  );
  return async () => {
    await watcher.close();
    await reloading;
  };
}

function report({ file, problem }: Reloaded, log: Log): void {
  if (problem === undefined) return;
  log.error({ file, err: problem }, 'cannot reload machine file; its last good version stays');
}

const MODULE = /^\.[cm]?[jt]s$/;

/** True for dot files, installed packages, and files other than modules (machines may import those) and machines. */
function isIgnored(path: string, paths: readonly string[]): boolean {
  if (paths.includes(path)) return false;
  const name = basename(path);
  if (name.startsWith('.') || name.endsWith('~') || name === 'node_modules') return true;
  const extension = extname(name);
  return extension !== '' && !MODULE.test(extension) && !isMachineName(name);
}
