/** State shared by all operations of one session on the volume: files, paths, token, last snapshot. */
import { invariant } from '../machine/invariant.ts';
import { AgeTimer } from './claim.ts';
import { ensureDirectory, recreate, equals, linkIfAbsent, remove } from './atomic-files.ts';
import { errnoOf, PassedOver, type Files } from './files.ts';
import { NO_EVENTS, type Inbox } from './inbox.ts';
import { hash } from './phases/hash.ts';
import { Names } from './phases/names.ts';
import type { Layout } from './layout.ts';
import type { KnownMachines } from '../engine/session.ts';
import { fitToken, formatToken, type Token } from './token.ts';

/** ext4 allows 65,000 links to an inode; GlusterFS 100, or as few as 38 where its bricks are ext4. */
const LINKS_PER_TOKEN_FILE = 60_000;
/** Records per staged file, if a file may have so many names: more would exceed what is read for one of them. */
const RECORDS_PER_BUNDLE = 256;
/** Errors at a limit of hard links: GlusterFS reports that there is no space. */
const LINK_LIMIT_ERRNOS = ['EMLINK', 'ENOSPC', 'EDQUOT'];

/** Larger than the number of any token file that flags are links to. */
const FIRST_ANNOUNCEMENT = 1_000_000;

const MAX_FILE_NAME_BYTES = 255;

export class SessionContext {
  readonly files: Files;
  readonly layout: Layout;
  readonly token: Token;
  /** The content of every flag of this session, and only of those. */
  readonly tokenText: string;
  readonly stamp: () => string;
  /** States with failed attempts or refusals, as of the last snapshot. */
  attempted: Set<string> = new Set();
  /** States with a flag in `failed/`, as of the last snapshot. */
  failed: Names = new Names();
  /** Events in the last snapshot. */
  inbox: Inbox = NO_EVENTS;
  /** Event files to remove: copies of applied events, or files that the network or a power cut has brought back (I4). */
  readonly over: Set<string> = new Set();
  /** Instances in the inbox that have no open state. */
  orphans: readonly string[] = [];
  /** States with a flag in `waiting/`, as of the last snapshot, and those whose flags this session has set since. */
  waiting: Set<string> = new Set();
  /** States that had a flag in `waiting/` and were not open. */
  overdue: readonly string[] = [];
  /** Sessions with a flag in `workers/`, as of the last snapshot. */
  registered: readonly string[] = [];
  /** Records that one staged file may hold: each flag in `done/` is one more name of it. */
  bundleSize: number = RECORDS_PER_BUNDLE;
  /** Staged files, and the states in each that are not settled. */
  readonly staged: Map<string, Set<string>> = new Map();
  /** Number of times that a file was staged under another name than the usual one. */
  restagings = 0;
  /** A token file with the machines that were announced last; no flag is a link to it. */
  #announcement: string | undefined;
  /** The file that flags are links to, once there is one. */
  tokenFile: string | undefined;
  /** Archived states that were claimed: a file of that name was put into the root again. */
  readonly reappeared: Set<string> = new Set();
  /** The default has no clock, and no old claims. */
  claims: AgeTimer = new AgeTimer([], Number.POSITIVE_INFINITY);
  /** When `archive/` was found absent; unknown where listings may be stale. */
  noArchive: AgeTimer = new AgeTimer([], Number.POSITIVE_INFINITY);
  readonly passedOver: PassedOver = new PassedOver();
  /** States whose claim may or may not exist: making or releasing it ended with an error. */
  readonly doubtful: Set<string> = new Set();
  #stagingMade = false;
  #tokenFiles = 0;
  #announcements = 0;
  #links = 0;
  #maxLinks = LINKS_PER_TOKEN_FILE;
  /** Links of a token file when it was last refused one more. */
  #refusedAt = 0;

  /** True while no other session can have expired this session's lease; its claims are then certainly still its own. */
  readonly isSafe: () => boolean;

  constructor(
    files: Files,
    layout: Layout,
    token: Token,
    stamp: () => string,
    isSafe: () => boolean = () => false,
  ) {
    const isOwn =
      token.session.startsWith(`${token.worker}.`) && token.session !== `${token.worker}.`;
    invariant(isOwn, 'I6: expected a session id WORKER.BOOT', undefined, token.session);
    this.isSafe = isSafe;
    this.files = files;
    this.layout = layout;
    this.token = token;
    this.tokenText = formatToken(token);
    this.stamp = stamp;
  }

  /** Creates the first token file, if there is none: until then no other session knows of this one. */
  async introduce(): Promise<void> {
    if (this.#tokenFiles === 0) await this.#addTokenFile();
  }

  /**
   * Sets a flag (I1): one more hard link to a token file. A new token file for the next flag is created afterwards, so that
   * nothing comes between the caller's reading of the clock and the link (I4).
   */
  async setFlag(path: string): Promise<'ours' | 'taken'> {
    if (this.tokenFile === undefined) await this.introduce();
    const { session } = this.token;
    const { tokenFile } = this;
    invariant(tokenFile !== undefined, 'I1: expected a token before its flags', undefined, session);
    try {
      const outcome = await linkIfAbsent(this.files, tokenFile, path, equals(this.tokenText));
      if (outcome === 'ours') this.#links += 1;
      return outcome;
    } catch (error) {
      if (LINK_LIMIT_ERRNOS.includes(errnoOf(error) ?? '')) await this.#learnLinkLimit();
      throw error;
    } finally {
      if (this.#links >= this.#maxLinks) await this.#addTokenFile();
    }
  }

  /** The file that the next flag is to be a link to, without `setFlag`; undefined at its link limit. Then: `countFlag`. */
  get spareFlag(): string | undefined {
    return this.#links < this.#maxLinks - 1 ? this.tokenFile : undefined;
  }

  countFlag(): void {
    this.#links += 1;
  }

  /** An error at the same link count twice in a row is a link limit; errors at varying counts are a full disk. */
  async #learnLinkLimit(): Promise<void> {
    if (this.#links === 0) return;
    if (this.#links === this.#refusedAt) this.#maxLinks = this.#links;
    this.#refusedAt = this.#links;
    await this.#addTokenFile();
  }

  /** Is this the error of a staged file at its link limit? Then each holds fewer records from now on. */
  meetsBundleLimit(error: unknown): boolean {
    if (!LINK_LIMIT_ERRNOS.includes(errnoOf(error) ?? '')) return false;
    this.bundleSize = Math.ceil(this.bundleSize / 8);
    return true;
  }

  /** Replaces the token file. The earlier one lives on in its flags. */
  async #addTokenFile(): Promise<void> {
    const before = this.tokenFile;
    const number = this.#tokenFiles + 1;
    const suffix = number === 1 ? '' : `~${number}`;
    const path = this.layout.internal('sessions', this.token.session + suffix);
    await recreate(this.files, path, this.tokenText);
    await this.files.sync(path);
    this.#tokenFiles = number;
    this.tokenFile = path;
    this.#links = 0;
    if (before !== undefined) await remove(this.files, before);
  }

  /** Paths of this session's files in `sessions/`. */
  get ownTokenFiles(): string[] {
    return [this.#announcement, this.tokenFile].filter((path) => path !== undefined);
  }

  /** Replaces the announced machines. Flags keep the token that they were set with: it identifies them as this session's. */
  async announce(known: KnownMachines): Promise<void> {
    const before = this.#announcement;
    this.#announcements += 1;
    const name = `${this.token.session}~${FIRST_ANNOUNCEMENT + this.#announcements}`;
    const path = this.layout.internal('sessions', name);
    await recreate(this.files, path, formatToken(fitToken({ ...this.token, ...known })));
    this.#announcement = path;
    if (before !== undefined) await remove(this.files, before);
  }

  get lease(): string {
    return this.layout.internal('leases', this.token.session);
  }

  /** Path of a private temporary file for `name`, which may be as long as a file name can be. */
  draft(kind: string, name: string): string {
    const plain = `.${kind}.${name}`;
    const isLong = Buffer.byteLength(plain) > MAX_FILE_NAME_BYTES;
    return this.staging(isLong ? `.${kind}.${hash(name)}` : plain);
  }

  staging(...names: string[]): string {
    return this.layout.internal('staging', this.token.session, ...names);
  }

  async ensureStaging(): Promise<void> {
    if (this.#stagingMade) return;
    await ensureDirectory(this.files, this.staging());
    // A record survives a power cut only if its directory does.
    await this.files.sync(this.layout.internal('staging'));
    this.#stagingMade = true;
  }
}

/** Number of a token file: the file of a session with the largest number has its current machines. */
export function numberOfTokenFile(fileName: string): number {
  return Number(/~(\d+)$/.exec(fileName)?.[1] ?? 1);
}

/** The session of a file in `sessions/`. */
export function sessionOfTokenFile(fileName: string): string {
  return fileName.replace(/~\d+$/, '');
}
