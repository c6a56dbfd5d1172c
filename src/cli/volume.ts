/** Volumes as the reading and mending commands use them: no session, no claims. */
import { isDroppedName } from '../machine/dropped.ts';
import { UserError } from '../machine/errors.ts';
import { parseEventName } from '../machine/event.ts';
import { isStateName } from '../machine/name.ts';
import { listOrNone } from '../volume/exclusive.ts';
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
  /** Undefined where no worker has been yet. */
  readonly volume: VolumeFile | undefined;
}

/** Throws `no-volume`, `bad-volume`, `unusable-volume`. */
async function openExisting(directory: string): Promise<OpenedVolume> {
  const files = new NodeFiles();
  const layout = new Layout(directory);
  return { files, layout, volume: await readVolume(files, layout) };
}

/**
 * Throws `no-volume` for a directory where no worker has been, and to which nothing was submitted or sent: for commands
 * that would otherwise say of a wrong directory that nothing is left to do.
 */
export async function requireVolume({ files, layout, volume }: OpenedVolume): Promise<void> {
  if (volume !== undefined || (await files.stat(layout.home)) !== undefined) return;
  for await (const name of files.names(layout.entries)) if (isStateName(name)) return;
  const events = await listOrNone(files, layout.events);
  if (events.some((name) => parseEventName(name) !== undefined || isDroppedName(name))) return;
  throw new UserError(
    'no-volume',
    `${layout.root} is not a volume: no worker has been there, and it has no state files; --dir names another directory`,
    { directory: layout.root },
  );
}

/** For `what`, which takes one volume. Throws as `directoryOf` and `openExisting`. */
export async function openOnly(settings: Settings, what: string): Promise<OpenedVolume> {
  return openExisting(directoryOf(settings, what));
}

/** All of them, or none: throws as `directoriesOf` and `openExisting`. */
export function openAll(settings: Settings): Promise<OpenedVolume[]> {
  return Promise.all(directoriesOf(settings).map(openExisting));
}

/**
 * Does the same on each volume, one after the other. With several, what is printed says of which it is, and one
 * that cannot be used keeps nobody from the others. Resolves to the largest exit status.
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

/** Each JSON object gets `dir`; what people read gets a heading. */
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
