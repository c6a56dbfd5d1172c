/** What every operation of one session on the volume needs: the port, the places, the token. */
import { ensureDirectory } from './directory.ts';
import { createAnew, linkOnce, remove } from './exclusive.ts';
import { errnoOf, type Files } from './files.ts';
import type { Layout } from './layout.ts';
import { formatToken, type Token } from './token.ts';

/** ext4 allows 65,000 links to an inode. */
const LINKS_PER_TOKEN_FILE = 60_000;
/** GlusterFS allows 100, or as few as 38 where its bricks are ext4, and says that there is no space. */
const TOO_MANY_LINKS: ReadonlySet<string> = new Set(['EMLINK', 'ENOSPC']);
/** With fewer, it is the volume that is full: a new file would not help. */
const FEWEST_LINKS = 16;

export class Member {
  readonly files: Files;
  readonly layout: Layout;
  readonly token: Token;
  /** The content of every flag this session sets: by it, it knows its own. */
  readonly tokenText: string;
  readonly stamp: () => string;
  /** States with failed attempts or refusals, as of the last snapshot. */
  attempted: Set<string> = new Set();
  #stagingMade = false;
  #tokenFiles = 0;
  #links = 0;

  constructor(files: Files, layout: Layout, token: Token, stamp: () => string) {
    this.files = files;
    this.layout = layout;
    this.token = token;
    this.tokenText = formatToken(token);
    this.stamp = stamp;
  }

  /** Makes the file that flags are links to. */
  async begin(): Promise<void> {
    if (this.#tokenFiles === 0) await this.#newTokenFile();
  }

  /** I1: sets a flag of this session, unless there is one of another. */
  async setFlag(flag: string): Promise<'ours' | 'taken'> {
    if (this.#links >= LINKS_PER_TOKEN_FILE) await this.#newTokenFile();
    this.#links += 1;
    try {
      return await linkOnce(this.files, this.#tokenPath(this.#tokenFiles), flag, this.tokenText);
    } catch (error) {
      const isFull = TOO_MANY_LINKS.has(errnoOf(error) ?? '');
      if (!isFull || this.#links < FEWEST_LINKS) throw error;
      await this.#newTokenFile();
      return linkOnce(this.files, this.#tokenPath(this.#tokenFiles), flag, this.tokenText);
    }
  }

  /** The one before needs its name no longer: its flags are names enough. */
  async #newTokenFile(): Promise<void> {
    const path = this.#tokenPath(this.#tokenFiles + 1);
    await createAnew(this.files, path, this.tokenText);
    await this.files.sync(path);
    if (this.#tokenFiles > 0) await remove(this.files, this.#tokenPath(this.#tokenFiles));
    this.#tokenFiles += 1;
    this.#links = 0;
  }

  tokenFiles(): string[] {
    return Array.from({ length: this.#tokenFiles }, (_, index) => this.#tokenPath(index + 1));
  }

  #tokenPath(number: number): string {
    const suffix = number === 1 ? '' : `~${number}`;
    return this.layout.internal('sessions', this.token.session + suffix);
  }

  get lease(): string {
    return this.layout.internal('leases', this.token.session);
  }

  staging(...names: string[]): string {
    return this.layout.internal('staging', this.token.session, ...names);
  }

  async ensureStaging(): Promise<void> {
    if (this.#stagingMade) return;
    await ensureDirectory(this.files, this.staging());
    this.#stagingMade = true;
  }
}

/** The session that a file in `sessions/` is about. */
export function sessionOfTokenFile(fileName: string): string {
  return fileName.replace(/~\d+$/, '');
}
