/**
 * The simulated volume: names, hard links, time stamps, what has been synced, and past views for stale caches.
 * Every method is atomic, as on a local file system; delays and faults are added by `client.ts`.
 */
import type { Stat } from '../volume/files.ts';

/** Where the volume is mounted on every simulated host. */
export const MOUNT = '/volume';

/** An errno error without a stack: the worker's code causes thousands of them. */
export function failure(code: string, what: string): Error {
  return Object.assign(Object.create(Error.prototype) as Error, {
    code,
    message: `${code}: ${what}`,
  });
}

export interface FileNode {
  readonly kind: 'file' | 'other';
  content: string;
  /** The content at the last sync; undefined if there was none. */
  durable: string | undefined;
  mtime: number;
  mode: number;
  /** The user who created it. */
  readonly owner: string;
  /** Number of its names. */
  links: number;
  /** Contents before each overwrite, for stale views. */
  readonly past: { readonly until: number; readonly content: string; readonly client: string }[];
}

export interface DirectoryNode {
  readonly kind: 'directory';
  readonly entries: Map<string, DiskNode>;
  readonly durable: Map<string, DiskNode>;
  unsynced: Change[];
  past: Change[];
  mtime: number;
  mode: number;
}

export type DiskNode = FileNode | DirectoryNode;

export interface Change {
  readonly time: number;
  readonly name: string;
  readonly before: DiskNode | undefined;
  readonly after: DiskNode | undefined;
  /** Its author; a cache always shows its client's own changes. */
  readonly client: string;
}

/** The client of an operation, and its time stamps. */
export interface Actor {
  readonly client: string;
  /** The mtime of its writes. */
  readonly stamp: () => number;
}

/** A stale cache's view of the volume: as of `time`, plus the client's own changes. */
export interface View {
  readonly time: number;
  readonly client: string;
}

/** A change of one name, for the oracle. */
export type Notice = Change & { readonly path: string };

/** Limits on hard links. */
export interface LinkRules {
  /** Of one file. */
  readonly maxLinks?: number;
  /** As `fs.protected_hardlinks`: a user may not link other users' files. */
  readonly protectsLinks?: boolean;
}

export class Disk {
  readonly root: DirectoryNode = newDirectory(0o755, 0);
  readonly #now: () => number;
  readonly #historyMs: number;
  readonly #notify: (notice: Notice) => void;
  readonly #rules: LinkRules;

  constructor(
    now: () => number,
    historyMs: number,
    notify: (notice: Notice) => void = () => undefined,
    rules: LinkRules = {},
  ) {
    this.#now = now;
    this.#historyMs = historyMs;
    this.#notify = notify;
    this.#rules = rules;
  }

  list(path: string, view?: View): string[] {
    const directory = this.#directory(path, view);
    return view === undefined ? [...directory.entries.keys()] : namesAsOf(directory, view);
  }

  stat(path: string, view?: View): Stat | undefined {
    let node: DiskNode | undefined;
    try {
      node = this.#find(path, view);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return undefined;
      throw error;
    }
    if (node === undefined) return undefined;
    const mtime = view === undefined ? node.mtime : mtimeAsOf(node, view);
    return {
      kind: node.kind,
      size: node.kind === 'directory' ? 0 : Buffer.byteLength(node.content),
      mtime,
      mode: node.mode,
    };
  }

  read(path: string, view?: View): string {
    const node = this.#find(path, view);
    if (node === undefined) throw failure('ENOENT', path);
    if (node.kind === 'directory') throw failure('EISDIR', path);
    if (node.kind === 'other') throw failure('ELOOP', path);
    return view === undefined ? node.content : contentAsOf(node, view);
  }

  create(path: string, content: string, actor: Actor): void {
    const [directory, name] = this.#place(path);
    if (directory.entries.has(name)) throw failure('EEXIST', path);
    this.#set(path, newFile(content, actor), actor);
  }

  /** Creates an entry that is not a regular file. */
  createOther(path: string, actor: Actor): void {
    this.#set(path, { ...newFile('', actor), kind: 'other' }, actor);
  }

  overwrite(path: string, content: string, actor: Actor): void {
    const node = this.#file(path);
    const now = this.#now();
    node.past.push({ until: now, content: node.content, client: actor.client });
    while (node.past.length > 1 && node.past[0]!.until < now - this.#historyMs) node.past.shift();
    node.content = content + fromByte(node.content, Buffer.byteLength(content));
    node.mtime = actor.stamp();
  }

  append(path: string, content: string, actor: Actor): void {
    const [directory, name] = this.#place(path);
    if (directory.entries.get(name) === undefined) this.create(path, '', actor);
    const node = this.#file(path);
    node.content += content;
    node.mtime = actor.stamp();
  }

  link(existing: string, path: string, actor: Actor): void {
    const node = this.#find(existing);
    if (node === undefined) throw failure('ENOENT', existing);
    if (node.kind === 'directory') throw failure('EPERM', existing);
    const [directory, name] = this.#place(path);
    if (directory.entries.has(name)) throw failure('EEXIST', path);
    if (this.#rules.protectsLinks && node.owner !== userOf(actor)) throw failure('EPERM', path);
    if (node.links >= (this.#rules.maxLinks ?? Infinity)) throw failure('EMLINK', path);
    this.#set(path, node, actor);
  }

  rename(from: string, to: string, actor: Actor): void {
    const [source, oldName] = this.#place(from);
    const node = source.entries.get(oldName);
    if (node === undefined) throw failure('ENOENT', from);
    const [target, newName] = this.#place(to);
    const replaced = target.entries.get(newName);
    // Two names of one file: POSIX says that rename does nothing.
    if (replaced === node) return;
    if (replaced?.kind === 'directory') throw failure('EISDIR', to);
    this.#set(to, node, actor);
    this.#set(from, undefined, actor);
  }

  unlink(path: string, actor: Actor): void {
    const [directory, name] = this.#place(path);
    const node = directory.entries.get(name);
    if (node === undefined) throw failure('ENOENT', path);
    if (node.kind === 'directory') throw failure('EISDIR', path);
    this.#set(path, undefined, actor);
  }

  makeDirectory(path: string, actor: Actor): void {
    const [directory, name] = this.#place(path);
    if (directory.entries.has(name)) throw failure('EEXIST', path);
    this.#set(path, newDirectory(0o755, actor.stamp()), actor);
  }

  removeDirectory(path: string, actor: Actor): void {
    const [directory, name] = this.#place(path);
    const node = directory.entries.get(name);
    if (node === undefined) throw failure('ENOENT', path);
    if (node.kind !== 'directory') throw failure('ENOTDIR', path);
    if (node.entries.size > 0) throw failure('ENOTEMPTY', path);
    this.#set(path, undefined, actor);
  }

  chmod(path: string, mode: number): void {
    const node = this.#find(path);
    if (node === undefined) throw failure('ENOENT', path);
    node.mode = mode;
  }

  sync(path: string): void {
    const node = this.#find(path);
    if (node === undefined) throw failure('ENOENT', path);
    if (node.kind !== 'directory') {
      node.durable = node.content;
      return;
    }
    for (const change of node.unsynced) apply(node.durable, change);
    node.unsynced = [];
  }

  /** Whether this name and its content would survive a power cut now. */
  isDurable(path: string): boolean {
    const [directory, name] = this.#place(path);
    const node = directory.durable.get(name);
    return node !== undefined && (node.kind === 'directory' || node.durable === node.content);
  }

  /**
   * A power cut. `keeps` is asked for each unsynced directory change whether it had reached the disk; `tear`
   * returns what is left of each unsynced content.
   */
  losePower(keeps: () => boolean, tear: (file: FileNode) => string): void {
    const names = new Map<FileNode, number>();
    const visit = (directory: DirectoryNode): void => {
      for (const change of directory.unsynced) if (keeps()) apply(directory.durable, change);
      directory.unsynced = [];
      directory.past = [];
      directory.entries.clear();
      for (const [name, node] of directory.durable) {
        directory.entries.set(name, node);
        if (node.kind === 'directory') {
          visit(node);
          continue;
        }
        names.set(node, (names.get(node) ?? 0) + 1);
        if (node.durable === node.content) continue;
        node.content = tear(node);
        node.durable = node.content;
      }
    };
    visit(this.root);
    for (const [file, count] of names) file.links = count;
  }

  #set(path: string, after: DiskNode | undefined, actor: Actor): void {
    const [directory, name] = this.#place(path);
    const time = this.#now();
    const change = { time, name, before: directory.entries.get(name), after, client: actor.client };
    for (const [node, names] of [
      [change.before, -1],
      [after, 1],
    ] as const) {
      if (node !== undefined && node.kind !== 'directory') node.links += names;
    }
    apply(directory.entries, change);
    directory.unsynced.push(change);
    directory.mtime = actor.stamp();
    if (this.#historyMs > 0) {
      directory.past.push(change);
      if (directory.past[0]!.time < time - 2 * this.#historyMs) {
        directory.past = directory.past.filter((one) => one.time >= time - this.#historyMs);
      }
    }
    this.#notify({ ...change, path });
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node === undefined) throw failure('ENOENT', path);
    if (node.kind === 'directory') throw failure('EISDIR', path);
    return node;
  }

  #directory(path: string, view?: View): DirectoryNode {
    const node = this.#find(path, view);
    if (node === undefined) throw failure('ENOENT', path);
    if (node.kind !== 'directory') throw failure('ENOTDIR', path);
    return node;
  }

  /** The directory of a path, and the name in it. */
  #place(path: string): [directory: DirectoryNode, name: string] {
    const slash = path.lastIndexOf('/');
    return [this.#directory(path.slice(0, slash)), path.slice(slash + 1)];
  }

  #find(path: string, view?: View): DiskNode | undefined {
    let node: DiskNode | undefined = this.root;
    for (const name of path.split('/')) {
      if (name === '' || name === '.') continue;
      if (node === undefined) throw failure('ENOENT', path);
      if (node.kind !== 'directory') throw failure('ENOTDIR', path);
      node = view === undefined ? node.entries.get(name) : entryAsOf(node, name, view);
    }
    return node;
  }
}

function newDirectory(mode: number, mtime: number): DirectoryNode {
  return {
    kind: 'directory',
    entries: new Map(),
    durable: new Map(),
    unsynced: [],
    past: [],
    mtime,
    mode,
  };
}

/** All processes of a host belong to one user. */
const userOf = ({ client }: Actor): string => client.split('.', 1)[0]!;

function newFile(content: string, actor: Actor): FileNode {
  return {
    kind: 'file',
    content,
    durable: undefined,
    mtime: actor.stamp(),
    mode: 0o644,
    owner: userOf(actor),
    links: 0,
    past: [],
  };
}

/** The text of the bytes from `start` on. */
function fromByte(text: string, start: number): string {
  return Buffer.from(text).toString('utf8', start);
}

function apply(entries: Map<string, DiskNode>, { name, after }: Change): void {
  if (after === undefined) entries.delete(name);
  else entries.set(name, after);
}

/** Changes that a cache filled at `view.time` hides, newest first. */
function* hidden(past: readonly Change[], view: View): Generator<Change> {
  for (let index = past.length - 1; index >= 0; index -= 1) {
    const change = past[index]!;
    if (change.time <= view.time) return;
    yield change;
  }
}

function entryAsOf(directory: DirectoryNode, name: string, view: View): DiskNode | undefined {
  let node = directory.entries.get(name);
  for (const change of hidden(directory.past, view)) {
    if (change.name !== name) continue;
    if (change.client === view.client) return node;
    node = change.before;
  }
  return node;
}

function namesAsOf(directory: DirectoryNode, view: View): string[] {
  const names = new Set(directory.entries.keys());
  const own = new Set<string>();
  for (const change of hidden(directory.past, view)) {
    if (change.client === view.client) own.add(change.name);
    if (own.has(change.name)) continue;
    if (change.before === undefined) names.delete(change.name);
    else names.add(change.name);
  }
  return [...names];
}

function mtimeAsOf(node: DiskNode, view: View): number {
  if (node.kind !== 'directory') return node.mtime;
  let shown = node.mtime;
  for (const change of hidden(node.past, view)) {
    if (change.client === view.client) return shown;
    shown = change.time - 1;
  }
  return shown;
}

function contentAsOf(node: FileNode, view: View): string {
  let { content } = node;
  for (let index = node.past.length - 1; index >= 0; index -= 1) {
    const { until, content: before, client } = node.past[index]!;
    if (until <= view.time || client === view.client) break;
    content = before;
  }
  return content;
}
