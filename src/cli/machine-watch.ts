/** Watches the files of `--machines`, and has them loaded anew when their writing has finished. */
import { basename, dirname, extname } from 'node:path';
import { statSync } from 'node:fs';
import { watch } from 'chokidar';
import { machineNames } from '../machine/registry.ts';
import type { Log } from '../worker/ports.ts';
import type { MachineFiles, Reloaded } from './machine-files.ts';
import { isMachineName } from './machines.ts';
import { isNetworkFileSystem } from './node-ports.ts';

/** Milliseconds without a change. */
const STABLE_MS = 300;
const POLL_MS = 100;

/** Returns a way to stop. */
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
    // A module that machines import may be any machine's.
    const wanted = written.every((path) => isMachine(path)) ? written : undefined;
    for (const one of await files.reload(files.version + 1, wanted)) report(one, log);
    if (files.registry === before) return;
    log.info({ machines: machineNames(files.registry) }, 'machines are loaded anew');
  };
  const note = (path: string): void => {
    changed.add(path);
    reloading = reloading.then(reload);
  };
  watcher.on('add', note).on('change', note);
  watcher.on('unlink', (path) => {
    if (!isMachine(path)) return;
    log.warn(
      { file: path },
      `${path} is removed; its machine stays until this worker is restarted`,
    );
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
  log.error({ file }, `cannot load ${file} anew, its last good version stays: ${problem.message}`);
}

const MODULE = /^\.[cm]?[jt]s$/;

/** Dot files, installed packages, and in subfolders all but modules, which machines may import. */
function isIgnored(path: string, paths: readonly string[]): boolean {
  if (paths.includes(path)) return false;
  const name = basename(path);
  if (name.startsWith('.') || name.endsWith('~') || name === 'node_modules') return true;
  const extension = extname(name);
  return extension !== '' && !MODULE.test(extension) && !isMachineName(name);
}
