/**
 * `Files` for the check. For files that other sessions can see, the search chooses each reply; operations on private
 * files are done at once: see `docs/protocol.md` on why that misses nothing.
 */
import { errnoOf, type Files, type Sink, type Stat } from '../../../src/volume/files.ts';
import type { Layout } from '../../../src/volume/layout.ts';
import type { Op } from './memory.ts';

/** Replies are those of `memory.ts`, or other errnos. */
export type Ask = (op: Op) => Promise<string>;

export interface AskingOptions {
  /** The only session whose lease exists; undefined: all leases are gone. */
  readonly victim?: string;
  /** A session whose staging no other session reads. */
  readonly hidden?: string;
}

const PRIVATE = ['sessions', 'leases', 'attempts', 'journal'] as const;

export class AskingFiles implements Files {
  readonly #ask: Ask;
  readonly #layout: Layout;
  readonly #victim: string | undefined;
  readonly #places: readonly string[];
  /** Private files' contents: other names are given to them. */
  readonly #private = new Map<string, string>();

  constructor(layout: Layout, ask: Ask, { victim, hidden }: AskingOptions = {}) {
    this.#ask = ask;
    this.#layout = layout;
    this.#victim = victim;
    this.#places = [
      ...PRIVATE.map((part) => layout.internal(part)),
      layout.flags('workers'),
      ...(hidden === undefined ? [] : [layout.internal('staging', hidden)]),
    ];
  }

  #isPrivate(path: string): boolean {
    return this.#places.some((place) => path === place || path.startsWith(`${place}/`));
  }

  async #do(op: Op): Promise<string> {
    const reply = await this.#ask(op);
    if (/^E[A-Z]+$/.test(reply)) throw Object.assign(new Error(reply), { code: reply });
    return reply;
  }

  list(directory: string): Promise<string[]>;
  list<Into extends Sink>(directory: string, into: Into): Promise<Into>;
  async list(directory: string, into: Sink = []): Promise<Sink> {
    for (const name of await this.#namesIn(directory)) into.push(name);
    return into;
  }

  async #namesIn(directory: string): Promise<string[]> {
    const victim = this.#victim;
    if (victim !== undefined && directory === this.#layout.internal('leases')) return [victim];
    if (victim !== undefined && directory === this.#layout.internal('staging')) return [victim];
    if (this.#isPrivate(directory)) return [];
    return JSON.parse(await this.#do(['list', directory])) as string[];
  }

  async stat(path: string): Promise<Stat | undefined> {
    // Nothing is archived here.
    if (path.startsWith(this.#layout.archive)) return undefined;
    // With `/.` it is a parent, for its mode.
    const isThere = this.#isPrivate(path) || path.endsWith('/.');
    try {
      const kind = isThere ? 'file' : await this.#do(['stat', path]);
      return { kind: kind as Stat['kind'], size: 0, mtime: 0, mode: 0o755 };
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async read(path: string): Promise<Uint8Array> {
    const content = this.#isPrivate(path)
      ? (this.#private.get(path) ?? '')
      : (await this.#do(['read', path])).slice(1);
    return new TextEncoder().encode(content);
  }

  /** In two steps, so that others see it half-written; in one for a dot file, which no other session reads. */
  async create(path: string, content: string): Promise<void> {
    if (this.#isPrivate(path)) return void this.#private.set(path, content);
    const isDotFile = path[path.lastIndexOf('/') + 1] === '.';
    await this.#do(['create', path, isDotFile ? content : '']);
    if (!isDotFile) await this.#do(['fill', path, content]);
  }

  link(existing: string, name: string): Promise<void> {
    return this.#name('link', existing, name);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#name('rename', from, to);
  }

  async #name(method: 'link' | 'rename', existing: string, name: string): Promise<void> {
    if (this.#isPrivate(name)) return;
    const content = this.#private.get(existing);
    const isShared = content === undefined;
    await this.#do(isShared ? [method, name, existing] : [`${method} content`, name, content]);
  }

  async unlink(path: string): Promise<void> {
    if (this.#isPrivate(path)) return void this.#private.delete(path);
    await this.#do(['unlink', path]);
  }

  async makeDirectory(path: string): Promise<void> {
    if (!this.#isPrivate(path)) await this.#do(['makeDirectory', path]);
  }

  async removeDirectory(path: string): Promise<void> {
    if (!this.#isPrivate(path)) await this.#do(['removeDirectory', path]);
  }

  async overwrite(): Promise<void> {}
  async append(): Promise<void> {}
  async chmod(): Promise<void> {}
  /** The search has no power cuts. */
  async sync(): Promise<void> {}
}
