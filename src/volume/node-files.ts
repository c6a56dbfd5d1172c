/**
 * `Files` with Node's file calls. Operations on names and small files are synchronous: measured 1.2–5 times cheaper than
 * their promises, and they wait for nothing but the volume. fsync, and listings on a network, use the thread pool.
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
import type { DirectFiles, Sink, Stat } from './files.ts';
import type { HistoryFiles } from './history.ts';

const LIST_BUFFER_NAMES = 1024;
const NAMES_PER_PAUSE = 8 * LIST_BUFFER_NAMES;
/** With a smaller limit, a read does not ask for the file's size first. */
const SMALL_READ_BYTES = 4096;
const DEFAULT_READ_BYTES = 16 * 1024 * 1024;
/** Never follows a symbolic link, never waits for the other end of a FIFO. */
const SAFE_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const READ_FLAGS = constants.O_RDONLY | SAFE_FLAGS;
const APPEND_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | SAFE_FLAGS;
/** For `overwrite`, which never creates a file. */
export const OVERWRITE_FLAGS: number = constants.O_RDWR | SAFE_FLAGS;

/** Read once: a command that the worker runs may have another umask. */
const UMASK = process.umask();
const [GROUP_WRITES, GROUP_READS_AND_WRITES] = [0o020, 0o060];
const [OTHERS_WRITE, OTHERS_READ_AND_WRITE] = [0o002, 0o006];
const PERMISSION_BITS = 0o7777;

/** Mode bits that give every user who may write to a directory of the volume access to its files, whatever the umask. */
function sharedBits(directoryMode: number): number {
  return (
    ((directoryMode & GROUP_WRITES) === 0 ? 0 : GROUP_READS_AND_WRITES) |
    ((directoryMode & OTHERS_WRITE) === 0 ? 0 : OTHERS_READ_AND_WRITE)
  );
}

function share(fd: number, bits: number): void {
  const mode = fstatSync(fd).mode & PERMISSION_BITS;
  if ((mode | bits) === mode) return;
  try {
    fchmodSync(fd, mode | bits);
  } catch {
    // Some file systems have no modes, and some files belong to other users.
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

/**
 * Reads at most the size that the file has when it is opened: what is appended meanwhile is incomplete. `isShort`: less than
 * was asked for may come before the end.
 */
function readAll(fd: number, limit: number, isShort: boolean): Uint8Array {
  const size = limit < SMALL_READ_BYTES ? limit + 1 : Math.min(fstatSync(fd).size, limit + 1);
  const buffer = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const got = readSync(fd, buffer, length, size - length, null);
    length += got;
    if (got === 0 || !isShort) break;
  }
  return buffer.subarray(0, length);
}

/** Receives small files, so that no buffer of their possible size is made for each. */
const scratch = Buffer.allocUnsafe(SMALL_READ_BYTES);

/** Of a local file, at most `limit` + 1 bytes, which fit into `scratch`. */
function readSmall(fd: number, limit: number): Uint8Array {
  const length = readSync(fd, scratch, 0, limit + 1, null);
  return Uint8Array.prototype.slice.call(scratch, 0, length);
}

/** Milliseconds for which calls that answer at once may keep the event loop from its turn. */
const MAX_DIRECT_MS = 10;

const DIRECT: Omit<DirectFiles, 'pause'> = {
  link: linkSync,
  unlink: unlinkSync,
  stat: (path) => {
    // Most paths do not exist, and an exception would cost more.
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const { size, mode, mtimeMs: mtime, ctimeMs: ctime, dev: device } = stats;
    return { kind: kindOf(stats), size, mtime, ctime, mode, device };
  },
  read: (path, limit) =>
    withFile(path, READ_FLAGS, (fd) =>
      limit < SMALL_READ_BYTES ? readSmall(fd, limit) : readAll(fd, limit, false),
    ),
};

/** Throws ENOTDIR for a symbolic link: its target is not part of the volume. */
function refuseLink(directory: string): void {
  if (lstatSync(directory, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  throw Object.assign(new Error(`ENOTDIR: expected a directory, got a link: ${directory}`), {
    code: 'ENOTDIR',
  });
}

/** Several times cheaper than promises. The caller pauses every NAMES_PER_PAUSE names, so that ticks go on. */
function* namesSync(directory: string): Generator<string, void> {
  const entries = opendirSync(directory, { bufferSize: LIST_BUFFER_NAMES });
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      yield entry.name;
    }
  } finally {
    entries.closeSync();
  }
}

/** From this number of files on, one sync of the file system costs less than one per file. */
const MANY_FILES = 100;
/** More than the four threads of the pool: a journaling file system syncs several files in one transaction. */
const MAX_CONCURRENT_SYNCS = 16;

/** `syncfs`, which Node does not have, with the command `sync -f`. False if there is no such command, and after `stop`. */
function syncFileSystem(directory: string, stop: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const sync = spawn('sync', ['-f', directory], { stdio: 'ignore' });
    const end = (isSynced: boolean): void => {
      stop.removeEventListener('abort', giveUp);
      resolve(isSynced);
    };
    // On a busy disk the command outlives its signal: this process does not wait for it.
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
  /** False: writes survive a crash of the program, but not of the host. */
  readonly durable?: boolean;
  /** The volume is on a network: a listing may be slow. */
  readonly network?: boolean;
}

export class NodeFiles implements HistoryFiles {
  readonly #durable: boolean;
  readonly #network: boolean;
  /** By directory: mode bits that the umask takes away, and that its files must have. */
  readonly #maskedBits = new Map<string, number>();

  readonly direct: DirectFiles | undefined;
  /** When the event loop has last had its turn between direct calls. */
  #paused = performance.now();

  constructor({ durable = true, network = false }: NodeFilesOptions = {}) {
    this.#durable = durable;
    this.#network = network;
    this.direct = network ? undefined : { ...DIRECT, pause: () => this.#pause() };
  }

  #pause(): Promise<void> | undefined {
    if (performance.now() - this.#paused < MAX_DIRECT_MS) return undefined;
    return setImmediate().then(() => void (this.#paused = performance.now()));
  }

  list(directory: string): Promise<string[]>;
  list<Into extends Sink>(directory: string, into: Into): Promise<Into>;
  async list(directory: string, into: Sink = []): Promise<Sink> {
    if (this.#network) {
      for await (const name of this.names(directory)) into.push(name);
      return into;
    }
    refuseLink(directory);
    let count = 0;
    for (const name of namesSync(directory)) {
      into.push(name);
      count += 1;
      if (count % NAMES_PER_PAUSE === 0) await setImmediate();
    }
    return into;
  }

  async *names(directory: string): AsyncGenerator<string, void> {
    refuseLink(directory);
    if (this.#network) {
      for await (const entry of await opendir(directory, { bufferSize: LIST_BUFFER_NAMES })) {
        yield entry.name;
      }
      return;
    }
    let count = 0;
    for (const name of namesSync(directory)) {
      yield name;
      count += 1;
      if (count % NAMES_PER_PAUSE === 0) await setImmediate();
    }
  }

  async stat(path: string): Promise<Stat | undefined> {
    return DIRECT.stat(path);
  }

  async read(path: string, limit: number = DEFAULT_READ_BYTES): Promise<Uint8Array> {
    return withFile(path, READ_FLAGS, (fd) => readAll(fd, limit, this.#network));
  }

  async readAt(path: string, position: number, length: number): Promise<Uint8Array> {
    return withFile(path, READ_FLAGS, (fd) => {
      const buffer = Buffer.allocUnsafe(length);
      return buffer.subarray(0, readSync(fd, buffer, 0, length, position));
    });
  }

  async create(path: string, content: string): Promise<void> {
    const bits = this.#maskedBitsFor(path);
    if (bits === 0) {
      // With the encoding, Node opens, writes and closes the file in one call.
      return writeFileSync(path, content, { flag: 'wx', encoding: 'utf8' });
    }
    withFile(path, 'wx', (fd) => {
      share(fd, bits);
      writeFileSync(fd, content);
    });
  }

  async overwrite(path: string, content: string): Promise<void> {
    withFile(path, OVERWRITE_FLAGS, (fd) => writeSync(fd, content, 0));
  }

  async append(path: string, content: string): Promise<void> {
    const bits = this.#maskedBitsFor(path);
    withFile(path, APPEND_FLAGS, (fd) => {
      if (bits !== 0) share(fd, bits);
      writeFileSync(fd, content);
    });
  }

  /** Asks for the mode of each directory once: there are few, and their modes do not change. */
  #maskedBitsFor(path: string): number {
    if (UMASK === 0) return 0;
    const directory = dirname(path);
    const known = this.#maskedBits.get(directory);
    if (known !== undefined) return known;
    const bits = UMASK & sharedBits(statSync(directory).mode);
    this.#maskedBits.set(directory, bits);
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

  /** Syncs each of `paths`, files in `directory`. After `stop` none of them counts as synced. */
  async syncAll(directory: string, paths: readonly string[], stop: AbortSignal): Promise<void> {
    if (!this.#durable || paths.length === 0 || stop.aborted) return;
    // A network file system may not pass `syncfs` on to its server.
    const isWorth = !this.#network && paths.length >= MANY_FILES;
    if (isWorth && (await syncFileSystem(directory, stop))) return;
    let next = 0;
    const syncThem = async (): Promise<void> => {
      while (next < paths.length && !stop.aborted) await this.sync(paths[next++]!);
    };
    await Promise.all(Array.from({ length: MAX_CONCURRENT_SYNCS }, syncThem));
  }
}
