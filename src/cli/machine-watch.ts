/** Watches the files of `--machines`, and reloads them when their writing has finished. */
import { basename, dirname, extname } from 'node:path';
import { statSync } from 'node:fs';
import { watch } from 'chokidar';
import { machineNames } from '../machine/registry.ts';
import type { Log } from '../engine/ports.ts';
import type { MachineFiles, Reloaded } from './machine-files.ts';
import { isMachineName } from './machines.ts';
import { isNetworkFileSystem } from '../api/node-ports.ts';

/** Time without a change after which a file counts as written. */
const STABLE_MS = 300;
const POLL_MS = 100;

/** Returns a function that stops watching. */
export function watchMachines(files: MachineFiles, log: Log): () => Promise<void> {
  const { paths } = files;
  if (paths.length === 0) return () => Promise.resolve();
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
