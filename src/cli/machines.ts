/** `--machines`: modules and configurations, loaded from folders or files. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseConfiguration } from '../machine/config.ts';
import type { Machine } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { isMachine } from '../machine/machine.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';
import { shippedMachines } from '../machine/shipped.ts';

const MODULES = new Set(['.ts', '.js', '.mts', '.mjs']);
const CONFIGURATIONS = new Set(['.yaml', '.yml', '.json']);

/** The shipped machines and those in `paths`. Throws `no-machines`, `bad-machine`, `bad-configuration`. */
export async function loadMachines(paths: readonly string[]): Promise<Registry> {
  const machines: Machine[] = [...shippedMachines];
  for (const path of paths) {
    for (const file of filesIn(resolve(path))) machines.push(await loadMachine(file));
  }
  return createRegistry(machines);
}

function filesIn(path: string): string[] {
  const known = (name: string): boolean =>
    (MODULES.has(extname(name)) || CONFIGURATIONS.has(extname(name))) &&
    !/^\.|\.d\.m?ts$|\.test\.|^package(-lock)?\.json$|^tsconfig.*\.json$/.test(name);
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter(known).sort();
    if (names.length > 0) return names.map((name) => join(path, name));
  } catch (error) {
    throw new UserError('no-machines', `--machines ${path}: ${(error as Error).message}`, { path });
  }
  throw new UserError(
    'no-machines',
    `--machines ${path}: no machine in it; there should be .ts or .js modules, or .yaml or .json configurations`,
    { path },
  );
}

export async function loadMachine(file: string): Promise<Machine> {
  if (CONFIGURATIONS.has(extname(file))) {
    return parseConfiguration(readFileSync(file, 'utf8'), { file, folder: dirname(file) });
  }
  if (!MODULES.has(extname(file))) {
    throw new UserError('bad-machine', `${file}: a machine is a .ts, .js, .yaml or .json file`, {
      file,
    });
  }
  let loaded: { default?: unknown };
  try {
    loaded = (await import(pathToFileURL(file).href)) as { default?: unknown };
  } catch (error) {
    if (error instanceof UserError)
      throw new UserError(error.code, `${file}: ${error.message}`, { file });
    throw new UserError('bad-machine', `${file} cannot be loaded: ${(error as Error).message}`, {
      file,
    });
  }
  if (isMachine(loaded.default)) return loaded.default;
  throw new UserError(
    'bad-machine',
    `${file} does not export a machine; it should say: export default machine({ name, activities })`,
    { file },
  );
}
