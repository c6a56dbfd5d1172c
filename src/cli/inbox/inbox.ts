/**
 * A hot folder: files that are dropped into it become instances. Many workers may share it. The rename into `submitted/` is
 * the claim; every later step may be repeated, by any worker, with the same instance as its result.
 *
 *   DIR/NAME                      dropped; taken when its writing has finished
 *   DIR/submitted/.claim-…~NAME   claimed; its content is being read
 *   DIR/submitted/STEM-DIGEST.EXT final name; the instance is STEM-DIGEST
 *   DIR/refused/NAME              cannot be submitted; NAME.reason says why
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import {
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  unlink,
  writeFile,
  chmod,
  stat,
} from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_STATE_BYTES } from '../../machine/state-file.ts';
import { problemsOf } from '../../engine/validate.ts';
import { errnoOf } from '../../volume/files.ts';
import type { Log } from '../../engine/ports.ts';
import { firstState } from '../candidates.ts';
import {
  claimName,
  cleanName,
  decide,
  DIGEST_LENGTH,
  isFinished,
  isLeft,
  parseClaim,
  PATIENT_MS,
  REFUSED,
  sight,
  STABLE_MS,
  stateOf,
  SUBMITTED,
  submittedName,
  type InboxClaim,
  type Entry,
  type Mode,
  type FileSighting,
} from './rules.ts';

/** Submits instances to the volume. */
export interface Submitter {
  /** May be repeated: an instance that exists or is archived is not changed. */
  submit(state: string, bytes: Uint8Array): Promise<void>;
  /** State files that certainly exist. */
  list(): Promise<ReadonlySet<string>>;
}

export interface InboxOptions {
  /** Absolute. */
  readonly directory: string;
  /** `NAME` or `NAME:VERSION`: takes any file, for this machine. */
  readonly machine: string | undefined;
}

export interface InboxPorts {
  readonly submitter: Submitter;
  readonly log: Log;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** Files that are processed at a time. */
const PARALLEL_FILES = 8;
/** Does not follow symbolic links, nor wait for the writer of a FIFO. */
const READ_FLAGS: number = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class HotFolder {
  readonly directory: string;
  readonly #machine: string | undefined;
  readonly #mode: Mode;
  readonly #ports: InboxPorts;
  /** Files that are not claimed yet, by the bytes of their names. */
  #dropped = new Map<string, FileSighting>();
  /** Claims that are not finished. */
  #claims = new Map<string, FileSighting>();
  /** Files in `submitted/` whose instances are on the volume. */
  #submitted = new Set<string>();
  #unsubmitted = 0;
  #warned = new Set<string>();
  /** Count of files that have become instances. */
  taken = 0;

  constructor({ directory, machine }: InboxOptions, ports: InboxPorts) {
    this.directory = directory;
    this.#machine = machine;
    this.#mode = machine === undefined ? 'states' : 'each';
    this.#ports = ports;
  }

  /** True if files must be looked at again soon. */
  get isPending(): boolean {
    return this.#dropped.size + this.#claims.size + this.#unsubmitted > 0;
  }

  /** Called by the watcher when a file's size has not changed for `STABLE_MS`. */
  async noteWritten(name: string): Promise<void> {
    const stats = await statsOf(join(this.directory, name));
    if (stats === undefined || isLeft(name, this.#mode)) return;
    const sinceMs = Math.min(
      this.#ports.now() - STABLE_MS,
      this.#dropped.get(keyOf(Buffer.from(name)))?.sinceMs ?? Number.POSITIVE_INFINITY,
    );
    this.#dropped.set(keyOf(Buffer.from(name)), { looks: looksOf(stats), sinceMs });
  }

  /** Takes or refuses every file whose writing has finished. */
  async look(): Promise<void> {
    const dropped = new Map<string, FileSighting>();
    const names = await readdir(this.directory, { encoding: 'buffer' });
    await forEach(names, (name) => this.#lookAt(name, dropped));
    this.#dropped = dropped;
  }

  async #lookAt(bytes: Buffer, dropped: Map<string, FileSighting>): Promise<void> {
    const name = bytes.toString();
    if (isLeft(name, this.#mode)) return;
    const path = Buffer.concat([Buffer.from(`${this.directory}/`), bytes]);
    const stats = await statsOf(path);
    if (stats === undefined) return;
    const decision = decide({ name, kind: kindOf(stats), bytes: stats.size }, this.#mode);
    if (decision.kind === 'leave') {
      this.#warnOnce(name, {}, 'ignored a folder: an inbox takes files only');
      return;
    }
    const now = this.#ports.now();
    const sighting = sight(this.#dropped.get(keyOf(bytes)), looksOf(stats), now);
    dropped.set(keyOf(bytes), sighting);
    if (!isFinished(sighting, now, true)) return;
    try {
      const isWhole = decision.kind === 'refuse' || (await this.#isWhole(path, name));
      if (!isFinished(sighting, now, isWhole)) return;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      // It may become readable: a change of its mode is a new sighting.
      dropped.delete(keyOf(bytes));
      this.#warnOnce(name, { err: error }, 'cannot read file; will retry when it changes');
      return;
    }
    dropped.delete(keyOf(bytes));
    await this.#claim(path, bytes);
  }

  async #isWhole(path: string | Buffer, name: string): Promise<boolean> {
    const file = await open(path, READ_FLAGS);
    try {
      const { size } = await file.stat();
      if (size === 0 || this.#mode === 'each') return size > 0;
      return problemsOf([{ name, source: name, bytes: await file.readFile() }]).length === 0;
    } finally {
      await file.close();
    }
  }

  async #claim(path: Buffer, bytes: Buffer): Promise<void> {
    const nameDigest = createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST_LENGTH);
    const clean = cleanName(bytes.toString(), this.#mode);
    const claim = claimName(clean, nameDigest, randomBytes(8).toString('hex'));
    await this.#ensure(SUBMITTED);
    if (await moved(path, this.#path(SUBMITTED, claim))) await this.#finishClaim(claim);
  }

  /** Keeps the claim if the file still changes; a later `recover` finishes it. */
  async #finishClaim(claim: string): Promise<void> {
    const parsed = parseClaim(claim)!;
    const path = this.#path(SUBMITTED, claim);
    this.#claims.delete(claim);
    const stats = await statsOf(path);
    if (stats === undefined) return;
    const entry = { name: parsed.name, kind: kindOf(stats), bytes: stats.size };
    const reason = this.#refusal(entry);
    if (reason !== undefined) return this.#refuse(path, parsed.name, reason);
    const read = await this.#read(path, parsed);
    if (read === undefined) {
      this.#claims.set(claim, { looks: '', sinceMs: this.#ports.now() });
    } else if ('reason' in read) {
      await this.#refuse(path, parsed.name, read.reason);
    } else {
      const name = submittedName(cleanName(parsed.name, this.#mode), read.digest);
      // Another worker may have finished it.
      if (await moved(path, this.#path(SUBMITTED, name))) await this.#submit(name);
    }
  }

  #refusal(entry: Entry): string | undefined {
    const decision = decide(entry, this.#mode);
    if (decision.kind === 'refuse') return decision.reason;
    return decision.kind === 'leave' ? 'expected a regular file, got a directory' : undefined;
  }

  /** Undefined if the file changed during the read. */
  async #read(
    path: string,
    { name, nameDigest }: InboxClaim,
  ): Promise<{ readonly digest: string } | { readonly reason: string } | undefined> {
    const file = await open(path, READ_FLAGS);
    try {
      const before = await file.stat();
      const hash = createHash('sha256').update(`${nameDigest} ${before.mtimeMs}\n`);
      if (this.#mode === 'states') {
        const bytes = await file.readFile();
        const [problem] = problemsOf([
          { name: `${cleanName(name, this.#mode).stem}.state`, source: name, bytes },
        ]);
        if (problem !== undefined) return { reason: problem };
        hash.update(bytes);
      } else {
        for await (const chunk of file.createReadStream({ autoClose: false })) {
          hash.update(chunk as Buffer);
        }
      }
      if (looksOf(await file.stat()) !== looksOf(before)) return undefined;
      return { digest: hash.digest('hex').slice(0, DIGEST_LENGTH) };
    } finally {
      await file.close();
    }
  }

  async #submit(name: string): Promise<void> {
    const state = stateOf(name, this.#mode);
    const path = this.#path(SUBMITTED, name);
    this.#unsubmitted += 1;
    try {
      await this.#ports.submitter.submit(state, await this.#content(path));
      this.#submitted.add(name);
      this.taken += 1;
      this.#ports.log.info({ state, file: path }, 'submitted file');
    } finally {
      this.#unsubmitted -= 1;
    }
  }

  async #content(path: string): Promise<Uint8Array> {
    if (this.#machine === undefined) {
      const file = await open(path, READ_FLAGS);
      try {
        return await file.readFile();
      } finally {
        await file.close();
      }
    }
    return firstState(this.#machine, { path });
  }

  /**
   * Finishes claims that a worker left before their submission. Skips claims younger than `PATIENT_MS`, which their worker
   * may still finish; finishing one twice is harmless.
   */
  async recover(): Promise<void> {
    const names = await readdir(this.#path(SUBMITTED)).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    });
    const claims = names.filter((name) => parseClaim(name) !== undefined);
    const now = this.#ports.now();
    this.#claims = new Map(
      claims.map((claim) => [claim, this.#claims.get(claim) ?? { looks: '', sinceMs: now }]),
    );
    const left = claims.filter((claim) => now - this.#claims.get(claim)!.sinceMs >= PATIENT_MS);
    await forEach(left, (claim) => this.#finishClaim(claim));
    this.#submitted = new Set(names.filter((name) => this.#submitted.has(name)));
    const unknown = names.filter((name) => !this.#submitted.has(name) && !isLeft(name, this.#mode));
    if (unknown.length === 0) return;
    const there = await this.#ports.submitter.list();
    await forEach(unknown, async (name) => {
      if (there.has(stateOf(name, this.#mode))) this.#submitted.add(name);
      else await this.#submitAgain(name);
    });
  }

  /** Also for files that a user put into `submitted/`: these are checked first. */
  async #submitAgain(name: string): Promise<void> {
    const path = this.#path(SUBMITTED, name);
    const stats = await statsOf(path);
    if (
      stats === undefined ||
      !stats.isFile() ||
      (stats.size > MAX_STATE_BYTES && this.#mode === 'states')
    )
      return;
    if (this.#mode === 'states' && !(await this.#isWhole(path, stateOf(name, this.#mode)))) {
      this.#warnOnce(path, {}, 'ignored an invalid state file in submitted/');
      return;
    }
    await this.#submit(name);
  }

  /** Creates the `.reason` file exclusively, which reserves the name for the refused file. */
  async #refuse(path: string, name: string, reason: string): Promise<void> {
    await this.#ensure(REFUSED);
    const { stem, extension } = cleanName(name, this.#mode);
    for (let number = 1; ; number += 1) {
      const suffix = number === 1 ? '' : `-${number}`;
      const target = this.#path(REFUSED, `${stem}${suffix}${extension}`);
      if ((await statsOf(target)) !== undefined) continue;
      try {
        await writeFile(`${target}.reason`, `${reason}\n`, { flag: 'wx' });
      } catch (error) {
        if (errnoOf(error) === 'EEXIST') continue;
        throw error;
      }
      if (await moved(path, target)) {
        this.#ports.log.warn({ file: target, reason }, 'refused file');
      } else await unlink(`${target}.reason`);
      return;
    }
  }

  #path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** Creates a folder with the mode of the inbox, whatever the umask, so that its users can share it. */
  async #ensure(folder: string): Promise<void> {
    try {
      await mkdir(this.#path(folder));
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return;
      throw error;
    }
    await chmod(this.#path(folder), (await stat(this.directory)).mode & 0o6777);
  }

  #warnOnce(file: string, fields: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#warned.has(file)) return;
    this.#warned.add(file);
    this.#ports.log.warn({ file, ...fields }, message);
  }
}

const keyOf = (name: Buffer): string => name.toString('latin1');

const looksOf = ({ ino, size, mtimeMs, mode }: Stats): string =>
  `${ino} ${size} ${mtimeMs} ${mode}`;

function kindOf(stats: Stats): Entry['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'link' : 'other';
}

/** Undefined if the file does not exist. */
async function statsOf(path: string | Buffer): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** False if `from` does not exist: another worker has moved it. */
async function moved(from: string | Buffer, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Runs `PARALLEL_FILES` at a time. Throws the first error after all have ended. */
async function forEach<Item>(
  items: readonly Item[],
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const rest = items.values();
  const work = async (): Promise<void> => {
    for (const item of rest) await act(item).catch((error: unknown) => void errors.push(error));
  };
  await Promise.all(Array.from({ length: PARALLEL_FILES }, work));
  if (errors.length > 0) throw errors[0];
}
