/** What every operation of one session on the volume needs: the port, the places, the token. */
import { ensureDirectory } from './directory.ts';
import { createAnew } from './exclusive.ts';
import type { Files } from './files.ts';
import type { Layout } from './layout.ts';
import { formatToken, type Token } from './token.ts';

/** ext4 allows 65,000 links to an inode. */
const LINKS_PER_TOKEN_FILE = 60_000;

export class Member {
  readonly files: Files;
  readonly layout: Layout;
  readonly token: Token;
  /** The content of every flag this session sets: by it, it knows its own. */
  readonly tokenText: string;
  readonly stamp: () => string;
  /** States with failed attempts or refusals, as of the last snapshot. */
  attempted: Set<string> = new Set();
  /** Sessions with a flag in `workers/`, as of then. */
  registered: readonly string[] = [];
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

  /** A file with the token in it that has room for one more link. */
  async tokenFile(): Promise<string> {
    if (this.#tokenFiles === 0 || this.#links >= LINKS_PER_TOKEN_FILE) {
      this.#tokenFiles += 1;
      this.#links = 0;
      await createAnew(this.files, this.#tokenPath(this.#tokenFiles), this.tokenText);
      await this.files.sync(this.#tokenPath(this.#tokenFiles));
    }
    this.#links += 1;
    return this.#tokenPath(this.#tokenFiles);
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
    // A record survives a power cut only if the directory it is in does.
    await this.files.sync(this.layout.internal('staging'));
    this.#stagingMade = true;
  }
}

/** The session that a file in `sessions/` is about. */
export function sessionOfTokenFile(fileName: string): string {
  return fileName.replace(/~\d+$/, '');
}
