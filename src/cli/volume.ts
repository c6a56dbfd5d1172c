/** Volumes for the commands that read and repair: without sessions or claims. */
import { isDroppedName } from '../machine/dropped.ts';
import { UserError } from '../machine/errors.ts';
import { parseEventName } from '../machine/event.ts';
import { isStateName } from '../machine/name.ts';
import { isNetworkFileSystem, realClock } from '../api/node-ports.ts';
import type { ClientApi } from '../engine/engine.ts';
import { listOrNone } from '../volume/atomic-files.ts';
import { volumeClient } from '../volume/client.ts';
import { Layout } from '../volume/layout.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { readVolume } from '../volume/open.ts';
import type { VolumeFile } from '../volume/volume-file.ts';
import { EXIT, type Io } from './command.ts';
import { directoriesOf, directoryOf } from './directories.ts';
import type { Settings } from './options.ts';

export interface OpenedVolume {
  readonly files: NodeFiles;
  readonly layout: Layout;
  /** Undefined before the first worker. */
  readonly volume: VolumeFile | undefined;
  /** Other hosts can change it, and their clocks may stamp its files. */
  readonly isNetwork: boolean;
  readonly client: ClientApi;
}

/** Throws `no-volume`, `bad-volume`, `unusable-volume`. */
export async function openExisting(directory: string): Promise<OpenedVolume> {
  const isNetwork = isOnNetwork(directory);
  const files = new NodeFiles({ network: isNetwork });
  const layout = new Layout(directory);
  const volume = await readVolume(files, layout);
  const client = volumeClient({
    files,
    layout,
    clock: realClock,
    ownClock: !isNetwork,
    leaseMs: volume?.lease,
  });
  return { files, layout, volume, isNetwork, client };
}

/** True also for a directory whose file system cannot be told. */
function isOnNetwork(directory: string): boolean {
  try {
    return isNetworkFileSystem(directory);
  } catch {
    return true;
  }
}

/**
 * Throws `no-volume` for a directory that no worker has used and to which nothing was submitted or sent. For commands that
 * would otherwise report nothing left to do in a wrong directory.
 */
export async function requireVolume({ files, layout, volume }: OpenedVolume): Promise<void> {
  if (volume !== undefined || (await files.stat(layout.home)) !== undefined) return;
  for await (const name of files.names(layout.entries)) if (isStateName(name)) return;
  const events = await listOrNone(files, layout.events);
  if (events.some((name) => parseEventName(name) !== undefined || isDroppedName(name))) return;
  throw new UserError(
    'no-volume',
    `${layout.root} is not a volume: no worker has used it, and it has no state files; name the volume with --dir`,
    { directory: layout.root },
  );
}

/** For `what`, which takes one volume. Throws as `directoryOf` and `openExisting`. */
export async function openOnly(settings: Settings, what: string): Promise<OpenedVolume> {
  return openExisting(directoryOf(settings, what));
}

/** All volumes of `--dir`. Throws as `directoriesOf` and `openExisting`. */
export function openAll(settings: Settings): Promise<OpenedVolume[]> {
  return Promise.all(directoriesOf(settings).map(openExisting));
}

/**
 * Calls `act` for each volume in turn. Of several volumes, output is labelled with the directory, and a volume that cannot be
 * used is reported and skipped. Resolves to the largest exit status.
 */
export async function onEach(
  settings: Settings,
  io: Io,
  act: (opened: OpenedVolume, io: Io) => Promise<number>,
): Promise<number> {
  const directories = directoriesOf(settings);
  if (directories.length === 1) return act(await openExisting(directories[0]!), io);
  let status: number = EXIT.done;
  for (const directory of directories) {
    try {
      const ended = await act(await openExisting(directory), labelled(settings, io, directory));
      status = Math.max(status, ended);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      io.say(`${directory}: ${error.message}`);
      status = Math.max(status, EXIT.usage);
    }
  }
  return status;
}

/** Adds `dir` to each JSON object, or a heading to text. */
function labelled(settings: Settings, io: Io, dir: string): Io {
  let isHeaded = false;
  const head = (): void => {
    if (!isHeaded) io.print(`${dir}:`);
    isHeaded = true;
  };
  const print = (text: string): void => {
    if (settings.json) return io.print(withDirectory(dir, text));
    head();
    io.print(text);
  };
  const data = (text: string): void => {
    head();
    io.data(text);
  };
  return { ...io, print, data };
}

export function withDirectory(dir: string, json: string): string {
  return JSON.stringify({ dir, ...(JSON.parse(json) as object) });
}
