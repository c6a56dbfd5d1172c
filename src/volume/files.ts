/**
 * The file port: all that Flockwork needs from a volume, and what its errors mean. The real one is `node-files.ts`; the
 * simulator has its own. Every method may fail with an errno in `code`; an error of `link`, `rename`
 * or `unlink` never says whether the change happened (a lost reply repeats as EEXIST or ENOENT, sshfs
 * answers EPERM), so callers read what is there and decide by that: see `atomic-files.ts`.
 */
export interface Stat {
  readonly kind: 'file' | 'directory' | 'other';
  readonly size: number;
  /** Milliseconds since the epoch, as the volume stamped it; fractional if the stamps are finer. */
  readonly mtime: number;
  /** Like `mtime`, of any change, including mode and owner; undefined if unknown. */
  readonly ctime?: number;
  readonly mode: number;
  /** Equal for all files of one file system. Undefined if unknown. */
  readonly device?: number;
}

/** Receives names one by one: an array, or something smaller. */
export interface Sink {
  push(name: string): unknown;
}

/** Calls that answer at once: on a local file system they wait for nothing but the kernel. As those of `Files`. */
export interface DirectFiles {
  link(existing: string, name: string): void;
  read(path: string, limit: number): Uint8Array;
  stat(path: string): Stat | undefined;
  unlink(path: string): void;
  /** Gives the event loop its turn, if it has had none for a while. */
  pause(): Promise<void> | undefined;
}

export interface Files {
  /** Undefined where a call may wait for a server: it would stop the whole process. */
  readonly direct?: DirectFiles | undefined;
  /**
   * Names in a directory, in no order; follows a link only if the path ends with a slash. May be stale on network volumes,
   * in both directions (I8). There may be a million: with `into`, no other copy is held.
   */
  list(directory: string): Promise<string[]>;
  list<Into extends Sink>(directory: string, into: Into): Promise<Into>;
  /** Of the entry itself: symbolic links are not followed. Undefined only on ENOENT. */
  stat(path: string): Promise<Stat | undefined>;
  /** A regular file's content, at most `limit` + 1 bytes of it. Never waits for a FIFO's writer. */
  read(path: string, limit?: number): Promise<Uint8Array>;
  /** Makes a new file; EEXIST if the name is taken. Not atomic in content: for private names only. */
  create(path: string, content: string): Promise<void>;
  /** Writes from the start of an existing file, in place; ENOENT if there is none. For leases only. */
  overwrite(path: string, content: string): Promise<void>;
  /** Appends with one write; creates the file if necessary. */
  append(path: string, content: string): Promise<void>;
  /** Gives a file a second name. Atomic and exclusive (I1, I9) on ext4, xfs, btrfs, tmpfs and NFS. */
  link(existing: string, name: string): Promise<void>;
  /** Atomic; replaces the target. Never used to create a flag. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  /** Makes a file's content, or a directory's entries, durable. */
  sync(path: string): Promise<void>;
}

/** The errno of a failed call, or undefined for any other error. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Is access forbidden, as to another user's file? Hard links to one are, too, with `fs.protected_hardlinks`. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(errnoOf(error) ?? '');
}

const ENTRY_ERRNOS = new Set([
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENOTDIR',
  'EISDIR',
  'ENXIO',
  'ENOTEMPTY',
  'EEXIST',
  'EXDEV',
  'ENAMETOOLONG',
  'EINVAL',
  'EBUSY',
]);

/**
 * One bad entry stops one entry. An entry that other programs or users have put into our directories, or made unreadable (a
 * directory in a flag's place, a link, another user's file), is passed over and reported, and everything else goes on. Errors
 * of the volume itself (EIO, ENOSPC, ESTALE) are thrown: then nothing is known of any entry (I8). Each entry is reported once
 * while its error stays the same.
 */
export class PassedOver {
  readonly #known = new Map<string, string>();
  #unreported: string[] = [];

  /** `entry`: its path below the volume, for the log. False if it was passed over; throws errors that are not of this entry. */
  async guard(entry: string, act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act();
      this.#known.delete(entry);
      return true;
    } catch (error) {
      const code = errnoOf(error);
      if (code === undefined || !ENTRY_ERRNOS.has(code)) throw error;
      if (this.#known.get(entry) !== code) this.#unreported.push(`${entry} (${code})`);
      this.#known.set(entry, code);
      return false;
    }
  }

  /** Entries that were passed over since the last call. */
  take(): readonly string[] {
    return this.#unreported.splice(0);
  }
}
