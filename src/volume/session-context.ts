/** What every operation of one session on the volume needs: the port, the places, the token. */
import { ClaimTimer } from './claim-timer.ts';
import { ensureDirectory } from './directory.ts';
import { recreate, equals, linkIfAbsent, remove } from './atomic-files.ts';
import { errnoOf, type Files } from './files.ts';
import { NO_EVENTS, type Inbox } from './inbox.ts';
import { hash } from './phases/hash.ts';
import { Names } from './phases/names.ts';
import type { Layout } from './layout.ts';
import { PassedOver } from './pass-over.ts';
import type { KnownMachines } from '../engine/session.ts';
import { fitToken, formatToken, type Token } from './token.ts';

/** ext4 allows 65,000 links to an inode; GlusterFS 100, or as few as 38 where its bricks are ext4. */
const LINKS_PER_TOKEN_FILE = 60_000;
/** Records to a file: as many as fit what is read for one of them, where a file may have so many names. */
const RECORDS_PER_BUNDLE = 256;
/** What a volume says when a file has all the names it may have: GlusterFS says that there is no space. */
const TOO_MANY_LINKS = ['EMLINK', 'ENOSPC', 'EDQUOT'];

/** Numbers of announcements are larger than any of a token file that flags are links to. */
const FIRST_ANNOUNCEMENT = 1_000_000;

/** Bytes. */
const LONGEST_NAME = 255;

export class SessionContext {
  readonly files: Files;
  readonly layout: Layout;
  readonly token: Token;
  /** The content of every flag this session sets: by it, it knows its own. */
  readonly tokenText: string;
  readonly stamp: () => string;
  /** States with failed attempts or refusals, as of the last snapshot. */
  attempted: Set<string> = new Set();
  /** Those with a flag in `failed/`, as of then. */
  failed: Names = new Names();
  /** Events that were there then. */
  inbox: Inbox = NO_EVENTS;
  /** Second copies of what was applied, or what the network or the power has brought back: to be taken away (I4). */
  readonly over: Set<string> = new Set();
  /** Instances of these that have no open state. */
  orphans: readonly string[] = [];
  /** States with a flag in `waiting/`, as of then, and those that this session has set. */
  waiting: Set<string> = new Set();
  /** Those of them that were not open then. */
  overdue: readonly string[] = [];
  /** Sessions with a flag in `workers/`, as of then. */
  registered: readonly string[] = [];
  /** Records that one staged file may hold: each has a name of it in `done/`. */
  bundleSize: number = RECORDS_PER_BUNDLE;
  /** Staged files, and the states in each that are not through. */
  readonly staged: Map<string, Set<string>> = new Map();
  /** Times that something had to be staged under another name than the usual one. */
  restagings = 0;
  /** A further token file, which no flag is a link to: of the machines that this session has come to have. */
  #announcement: string | undefined;
  /** The file that flags are links to, if there is one yet. */
  tokenFile: string | undefined;
  /** Names of archived states that were claimed: somebody has put a file there again. */
  readonly reappeared: Set<string> = new Set();
  /** Without clocks, no claim that we know of is old. */
  claims: ClaimTimer = new ClaimTimer(() => [], Number.POSITIVE_INFINITY);
  readonly passedOver: PassedOver = new PassedOver();
  /** States whose claim was to be made, or given up, and may have been. */
  readonly doubtful: Set<string> = new Set();
  #stagingMade = false;
  #tokenFiles = 0;
  #announcements = 0;
  #links = 0;
  #allowed = LINKS_PER_TOKEN_FILE;
  /** Names that a token file had when it was refused one more. */
  #met = 0;

  /** Surely nobody has taken this session for dead: what it has claimed is its own. */
  readonly isSafe: () => boolean;

  constructor(
    files: Files,
    layout: Layout,
    token: Token,
    stamp: () => string,
    isSafe: () => boolean = () => false,
  ) {
    this.isSafe = isSafe;
    this.files = files;
    this.layout = layout;
    this.token = token;
    this.tokenText = formatToken(token);
    this.stamp = stamp;
  }

  /** Makes the first token file, if there is none: until then nobody knows of this session. */
  async introduce(): Promise<void> {
    if (this.#tokenFiles === 0) await this.#addTokenFile();
  }

  /**
   * Sets a flag with this session's token: one more name of a token file. I1. Room for the next one is made
   * afterwards, so that nothing comes between the caller's look at the clock and the link (I4).
   */
  async setFlag(path: string): Promise<'ours' | 'taken'> {
    await this.introduce();
    try {
      const outcome = await linkIfAbsent(this.files, this.tokenFile!, path, equals(this.tokenText));
      if (outcome === 'ours') this.#links += 1;
      return outcome;
    } catch (error) {
      if (TOO_MANY_LINKS.includes(errnoOf(error) ?? '')) await this.#meetLimit();
      throw error;
    } finally {
      if (this.#links >= this.#allowed) await this.#addTokenFile();
    }
  }

  /** A limit is met at the same number again; a volume that is full is full at any. */
  async #meetLimit(): Promise<void> {
    if (this.#links === 0) return;
    if (this.#links === this.#met) this.#allowed = this.#links;
    this.#met = this.#links;
    await this.#addTokenFile();
  }

  /** Did a staged file have all the names that it may have? From now on each holds fewer records. */
  meetsBundleLimit(error: unknown): boolean {
    if (!TOO_MANY_LINKS.includes(errnoOf(error) ?? '')) return false;
    this.bundleSize = Math.ceil(this.bundleSize / 8);
    return true;
  }

  /** The one before needs its name no longer: its flags are names enough. */
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

  /** What there is of this session in `sessions/`. */
  get ownTokenFiles(): string[] {
    return [this.#announcement, this.tokenFile].filter((path) => path !== undefined);
  }

  /** Flags keep the token that they were set with: by it this session knows its own. */
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

  /** A private file on the way to what is called `name`, which may be as long as a name can be. */
  draft(kind: string, name: string): string {
    const plain = `.${kind}.${name}`;
    const isLong = Buffer.byteLength(plain) > LONGEST_NAME;
    return this.staging(isLong ? `.${kind}.${hash(name)}` : plain);
  }

  staging(...names: string[]): string {
    return this.layout.internal('staging', this.token.session, ...names);
  }

  async ensureStaging(): Promise<void> {
    if (this.#stagingMade) return;
    await ensureDirectory(this.files, this.staging());
    // A record survives a power cut only if the directory it is in does.
    await this.files.sync(this.layout.internal('staging'));
    this.#stagingMade = true;
  }
}

/** Of several token files of one session, the one with the largest number says which machines it has. */
export function numberOfTokenFile(fileName: string): number {
  return Number(/~(\d+)$/.exec(fileName)?.[1] ?? 1);
}

/** The session that a file in `sessions/` is about. */
export function sessionOfTokenFile(fileName: string): string {
  return fileName.replace(/~\d+$/, '');
}
