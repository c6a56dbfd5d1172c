/** `--machines`: loads modules and configurations from folders and files. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { alone, isComposition, type Composition } from '../check/composition.ts';
import { parseConfiguration } from '../machine/config.ts';
import type { Machine } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { isMachine } from '../machine/machine.ts';
import { createRegistry, fullName, machineNames, type Registry } from '../machine/registry.ts';
import { shippedMachines } from '../machine/shipped.ts';
import { decodeText } from '../machine/state-file.ts';
import { placeOf } from './stack.ts';
import { withVersion, installPackageHook } from './own-package.ts';

const MODULES = new Set(['.ts', '.js', '.mts', '.mjs']);
const CONFIGURATIONS = new Set(['.yaml', '.yml', '.json']);

/** The shipped machines and those in `paths`. Throws `no-machines`, `bad-machine`, `bad-configuration`. */
export async function loadMachines(paths: readonly string[]): Promise<Registry> {
  const files = new Map<Machine, string>();
  for (const path of paths) {
    for (const file of filesIn(resolve(path))) files.set(await loadMachine(file), file);
  }
  return createRegistry([...shippedMachines, ...files.keys()], files);
}

/**
 * The machine in `path`, a file or a folder. Of several, the one that is `named`; of its versions, the newest. Throws as
 * `loadMachines`, and `which-machine`.
 */
export async function loadOne(path: string, named: string | undefined): Promise<Machine> {
  const files = new Map<Machine, string>();
  for (const file of filesIn(resolve(path))) files.set(await loadMachine(file), file);
  const registry = createRegistry([...files.keys()], files);
  // Of each name, the newest first.
  const all = [...registry.values()].flat();
  const fitting =
    named === undefined ? all : all.filter((one) => one.name === named || fullName(one) === named);
  const [first, ...others] = fitting;
  if (first !== undefined && (named !== undefined || others.length === 0)) return first;
  const reason =
    named === undefined
      ? 'has several machines; choose one with --machine:'
      : `has no machine ${named}; it has`;
  throw new UserError('which-machine', `${path} ${reason} ${machineNames(registry).join(', ')}`, {
    path,
  });
}

/** True for file names that count as machines in a folder. */
export function isMachineName(name: string): boolean {
  const isKnown = MODULES.has(extname(name)) || CONFIGURATIONS.has(extname(name));
  return (
    isKnown && !/^\.|\.d\.m?ts$|\.test\.|^package(-lock)?\.json$|^tsconfig.*\.json$/.test(name)
  );
}

/** The files of machines in a folder, or the one file. Throws `no-machines`. */
export function filesIn(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter(isMachineName).sort();
    if (names.length > 0) return names.map((name) => join(path, name));
  } catch (error) {
    throw new UserError('no-machines', `cannot read ${path}: ${(error as Error).message}`, {
      path,
    });
  }
  throw new UserError(
    'no-machines',
    `${path}: expected .ts or .js modules, or .yaml or .json configurations, got none`,
    { path },
  );
}

/** `version`: reloads a module, with its imports by relative paths, unless it was loaded as this version before. */
export async function loadMachine(file: string, version?: string): Promise<Machine> {
  if (CONFIGURATIONS.has(extname(file))) {
    return parseConfiguration(readConfiguration(file), { file, folder: dirname(file) });
  }
  const loaded = await loadModule(file, version);
  if (isMachine(loaded)) return loaded;
  throw new UserError(
    'bad-machine',
    `${file} does not export a machine; it must say: export default machine({ name, activities })`,
    { file },
  );
}

/** The text of a configuration, without a byte order mark. Throws `unreadable`, `not-utf8`. */
export function readConfiguration(file: string): string {
  let text: string | undefined;
  try {
    text = decodeText(readFileSync(file));
  } catch (error) {
    const reason = (error as Error).message;
    throw new UserError('unreadable', `cannot read ${file}: ${reason}`, { file });
  }
  if (text !== undefined) return text;
  throw new UserError('not-utf8', `cannot read ${file}: it is not UTF-8 text`, { file });
}

/** The default export of a module. Throws `bad-machine`, `no-xstate`. */
async function loadModule(file: string, version?: string): Promise<unknown> {
  if (!MODULES.has(extname(file))) {
    throw new UserError('bad-machine', `${file}: expected a .ts, .js, .yaml or .json file`, {
      file,
    });
  }
  installPackageHook();
  try {
    const { href } = pathToFileURL(file);
    const url = version === undefined ? href : withVersion(href, version);
    const loaded = (await import(url)) as { default?: unknown };
    return loaded.default;
  } catch (error) {
    const path = resolve(file);
    // Print the path as the user wrote it.
    const place = placeOf(error as Error, path)?.replace(path, () => file);
    if (error instanceof UserError)
      throw new UserError(error.code, `${place ?? file}: ${error.message}`, { file });
    const { message } = error as Error;
    if (
      /^Cannot find package 'xstate'|^Package subpath .*'xstate'|module 'xstate' does not provide/.test(
        message,
      )
    ) {
      const reason = 'it needs XState, which does not come with Flockwork: npm install xstate@5';
      throw new UserError('no-xstate', `${file}: ${reason}`, { file });
    }
    const reason = place === undefined ? message : `${place}: ${message}`;
    throw new UserError('bad-machine', `cannot load ${file}: ${reason}`, {
      file,
    });
  }
}

/** The composition to check; a machine by itself is one. Throws as `loadMachine`, and `bad-composition`. */
export async function loadComposition(path: string): Promise<Composition> {
  const file = resolve(path);
  if (CONFIGURATIONS.has(extname(file))) return alone(await loadMachine(file));
  const loaded = await loadModule(file);
  if (isComposition(loaded)) return loaded;
  if (isMachine(loaded)) return alone(loaded);
  throw new UserError(
    'bad-composition',
    `${path} exports neither a composition nor a machine; it must say: export default composition({ name, instances, … })`,
    { file },
  );
}
