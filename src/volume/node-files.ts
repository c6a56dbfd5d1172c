/**
 * The port over Node's own file calls. Small name operations are synchronous: measured 1.2–5 times
 * cheaper than their promises, and none of them waits for anything but the volume. fsync, and on a network
 * listings of unknown length, go through the thread pool.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  opendirSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { open, opendir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import type { Sink, Stat } from './files.ts';
import type { HistoryFiles } from './history.ts';

const LIST_BUFFER = 1024;
const YIELD_AFTER = 8 * LIST_BUFFER;
/** Bytes that are not worth asking for a file's size. */
const SMALL = 4096;
const DEFAULT_LIMIT = 16 * 1024 * 1024;
/** Never through a symbolic link, never waiting for the other end of a FIFO. */
const SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const READ_FLAGS = constants.O_RDONLY | SAFELY;
const APPEND_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | SAFELY;
/** For `overwrite`: of what is there. */
export const OVERWRITE_FLAGS: number = constants.O_RDWR | SAFELY;

/** Read once: a command that the worker runs has a umask of its own. */
const UMASK = process.umask();
const [GROUP_WRITES, GROUP_READS_AND_WRITES] = [0o020, 0o060];
const [OTHERS_WRITE, OTHERS_READ_AND_WRITE] = [0o002, 0o006];
const PERMISSIONS = 0o7777;

/** Whoever may write to a directory of the volume works on the volume: reads and writes its files, whatever the umask. */
function sharedBits(directoryMode: number): number {
  return (
    ((directoryMode & GROUP_WRITES) === 0 ? 0 : GROUP_READS_AND_WRITES) |
    ((directoryMode & OTHERS_WRITE) === 0 ? 0 : OTHERS_READ_AND_WRITE)
  );
}

function share(fd: number, bits: number): void {
  const mode = fstatSync(fd).mode & PERMISSIONS;
  if ((mode | bits) === mode) return;
  try {
    fchmodSync(fd, mode | bits);
  } catch {
    // Some file systems have no modes, and some files are other users': what they may do there is decided elsewhere.
  }
}

function kindOf(stats: Stats): Stat['kind'] {
  if (stats.isFile()) return 'file';
  return stats.isDirectory() ? 'directory' : 'other';
}

function withFile<T>(path: string, flags: number | string, use: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** As large as it is when it is opened: who writes to it meanwhile is not done with it. */
function readAll(fd: number, limit: number): Uint8Array {
  const size = limit < SMALL ? limit + 1 : Math.min(fstatSync(fd).size, limit + 1);
  const buffer = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const got = readSync(fd, buffer, length, size - length, null);
    if (got === 0) break;
    length += got;
  }
  return buffer.subarray(0, length);
}

/** Throws ENOTDIR, as for whatever else is no directory: what a link leads to is not of the volume. */
function refuseLink(directory: string): void {
  if (lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  throw Object.assign(new Error(`ENOTDIR: not a directory, but a link: ${directory}`), {
    code: 'ENOTDIR',
  });
}

/** A third cheaper, and nobody waits for it for long: ticks go on in between. */
async function listSync(directory: string, into: Sink): Promise<void> {
  let count = 0;
  const entries = opendirSync(directory, { bufferSize: LIST_BUFFER });
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      into.push(entry.name);
      count += 1;
      if (count % YIELD_AFTER === 0) await setImmediate();
    }
  } finally {
    entries.closeSync();
  }
}

/** Files from which on one sync of the whole file system costs less than one of each. */
const MANY_FILES = 100;
/** The thread pool has four threads; a journal takes what several ask for in one transaction. */
const SYNCS_AT_ONCE = 16;

/** `syncfs`, which Node does not have, by way of `sync -f`; false where there is none, and after `stop`. */
function syncFileSystem(directory: string, stop: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const sync = spawn('sync', ['-f', directory], { stdio: 'ignore' });
    const end = (isSynced: boolean): void => {
      stop.removeEventListener('abort', giveUp);
      resolve(isSynced);
    };
    // A disk that is busy keeps it for long, whatever signal it gets: this process need not wait.
    const giveUp = (): void => {
      sync.kill();
      sync.unref();
      end(false);
    };
    stop.addEventListener('abort', giveUp, { once: true });
    sync.once('error', () => end(false));
    sync.once('exit', (code) => end(code === 0));
  });
}

export interface NodeFilesOptions {
  /** False: what is written survives a crash of the program, but not of the host. */
  readonly durable?: boolean;
  /** A listing may take its time there. */
  readonly network?: boolean;
}

export class NodeFiles implements HistoryFiles {
  readonly #durable: boolean;
  readonly #network: boolean;
  /** By directory: what the umask takes away, and files there have all the same. */
  readonly #hidden = new Map<string, number>();

  constructor({ durable = true, network = false }: NodeFilesOptions = {}) {
    this.#durable = durable;
    this.#network = network;
  }

  list(directory: string): Promise<string[]>;
  list<Into extends Sink>(directory: string, into: Into): Promise<Into>;
  async list(directory: string, into: Sink = []): Promise<Sink> {
    refuseLink(directory);
    if (!this.#network) await listSync(directory, into);
    else for await (const name of this.names(directory)) into.push(name);
    return into;
  }

  async *names(directory: string): AsyncGenerator<string, void> {
    refuseLink(directory);
    for await (const entry of await opendir(directory, { bufferSize: LIST_BUFFER })) {
      yield entry.name;
    }
  }

  async stat(path: string): Promise<Stat | undefined> {
    // Not by an exception: most looks are for what is not there.
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const { size, mode, mtimeMs: mtime, ctimeMs: ctime, dev: device } = stats;
    return { kind: kindOf(stats), size, mtime, ctime, mode, device };
  }

  async read(path: string, limit: number = DEFAULT_LIMIT): Promise<Uint8Array> {
    return withFile(path, READ_FLAGS, (fd) => readAll(fd, limit));
  }

  async readAt(path: string, position: number, length: number): Promise<Uint8Array> {
    return withFile(path, READ_FLAGS, (fd) => {
      const buffer = Buffer.allocUnsafe(length);
      return buffer.subarray(0, readSync(fd, buffer, 0, length, position));
    });
  }

  async create(path: string, content: string): Promise<void> {
    const bits = this.#hiddenBits(path);
    if (bits === 0) return writeFileSync(path, content, { flag: 'wx' });
    withFile(path, 'wx', (fd) => {
      share(fd, bits);
      writeFileSync(fd, content);
    });
  }

  async overwrite(path: string, content: string): Promise<void> {
    withFile(path, OVERWRITE_FLAGS, (fd) => writeSync(fd, content, 0));
  }

  async append(path: string, content: string): Promise<void> {
    const bits = this.#hiddenBits(path);
    withFile(path, APPEND_FLAGS, (fd) => {
      if (bits !== 0) share(fd, bits);
      writeFileSync(fd, content);
    });
  }

  /** There are few directories, and they keep their modes: one look at each. */
  #hiddenBits(path: string): number {
    if (UMASK === 0) return 0;
    const directory = dirname(path);
    const known = this.#hidden.get(directory);
    if (known !== undefined) return known;
    const bits = UMASK & sharedBits(statSync(directory).mode);
    this.#hidden.set(directory, bits);
    return bits;
  }

  async link(existing: string, name: string): Promise<void> {
    linkSync(existing, name);
  }

  async rename(from: string, to: string): Promise<void> {
    renameSync(from, to);
  }

  async unlink(path: string): Promise<void> {
    unlinkSync(path);
  }

  async makeDirectory(path: string): Promise<void> {
    mkdirSync(path);
  }

  async removeDirectory(path: string): Promise<void> {
    rmdirSync(path);
  }

  async chmod(path: string, mode: number): Promise<void> {
    chmodSync(path, mode);
  }

  async sync(path: string): Promise<void> {
    if (!this.#durable) return;
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  /** As `sync` of each of `paths`, files in `directory`; after `stop` none of them counts as synced. */
  async syncAll(directory: string, paths: readonly string[], stop: AbortSignal): Promise<void> {
    if (!this.#durable || paths.length === 0 || stop.aborted) return;
    // A network file system may not hand it on to its server.
    const isWorth = !this.#network && paths.length >= MANY_FILES;
    if (isWorth && (await syncFileSystem(directory, stop))) return;
    let next = 0;
    const syncThem = async (): Promise<void> => {
      while (next < paths.length && !stop.aborted) await this.sync(paths[next++]!);
    };
    await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, syncThem));
  }
}
