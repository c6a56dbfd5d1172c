/** Configurations on a volume: each NAME:VERSION once, whole, and never changed. */
import { machineNameProblem } from '../machine/machine.ts';
import type { ConfigurationName } from '../engine/engine.ts';
import { ensureDirectory, listOrNone, readText, writeAtomically } from './atomic-files.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';

/** Neither names nor versions contain it, and every file system allows it. */
const SEPARATOR = '@';

/** Stores a configuration unless there is one. Returns the stored text. `unique` tells this call from others. */
export async function putConfiguration(
  files: Files,
  layout: Layout,
  key: ConfigurationName,
  text: string,
  unique: string,
): Promise<string> {
  const path = pathOf(layout, key);
  const there = await readText(files, path);
  if (there !== undefined) return there;
  for (const directory of [layout.home, layout.configurations]) {
    await ensureDirectory(files, directory);
  }
  const outcome = await writeAtomically(
    files,
    `${layout.configurations}/.put-${unique}`,
    path,
    text,
  );
  for (const directory of [layout.configurations, layout.home, layout.root]) {
    await files.sync(directory);
  }
  return outcome === 'ours' ? text : ((await readText(files, path)) ?? text);
}

const isName = ({ name, version }: ConfigurationName): boolean =>
  machineNameProblem(name) === undefined && machineNameProblem(version) === undefined;

/** Undefined for an invalid name, and for something that is not a file: reading a FIFO would never end. */
export async function getConfiguration(
  files: Files,
  layout: Layout,
  key: ConfigurationName,
): Promise<string | undefined> {
  if (!isName(key)) return undefined;
  const path = pathOf(layout, key);
  return (await files.stat(path))?.kind === 'file' ? readText(files, path) : undefined;
}

/** In no particular order. */
export async function listConfigurations(
  files: Files,
  layout: Layout,
): Promise<ConfigurationName[]> {
  const names = await listOrNone(files, layout.configurations);
  return names.flatMap((file) => {
    const [name, version, ...more] = file.split(SEPARATOR);
    const isOne = name !== undefined && version !== undefined && more.length === 0;
    return isOne && isName({ name, version }) ? [{ name, version }] : [];
  });
}

function pathOf(layout: Layout, { name, version }: ConfigurationName): string {
  return `${layout.configurations}/${name}${SEPARATOR}${version}`;
}
