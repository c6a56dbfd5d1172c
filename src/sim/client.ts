/** The `Files` port of one simulated process: adds latency, faults and stale caches to the disk. */
import type { Files, Sink, Stat } from '../volume/files.ts';
import { failure, type Actor, type Disk, type View } from './disk.ts';
import type { Fault, Method } from './faults.ts';

/** What a process does for its file operations. */
export interface Caller {
  /** Counts and reports the operation; returns the fault to inject, if any. */
  begin(method: Method, path: string): Fault | undefined;
  /** The volume as this process sees it: another one while it is unmounted. */
  disk(): Disk;
  readonly actor: Actor;
  /** The volume's errno for a name that exists: EEXIST, or EPERM on some. */
  readonly taken: string;
  /** Of the next operation, ms. */
  latency(): number;
  /** Runs `act` after `ms`, even if the process has ended. */
  later(ms: number, act: () => void): void;
  /** Runs `act` in the process: later if it is stopped, never if it has ended. */
  deliver(act: () => void): void;
  /** Called when an operation has taken effect or has failed. */
  end(method: Method, path: string, outcome: string): void;
  die(): void;
  losePower(): void;
  now(): number;
  /** Shuffles a listing: file systems promise no order. */
  shuffle(names: string[]): string[];
}

/** `isCut`: the process crashes on the way. */
type Effect<T> = (disk: Disk, view: View | undefined, isCut: boolean) => T;

const encoder = new TextEncoder();

export class SimFiles implements Files {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  list(directory: string): Promise<string[]>;
  list<Into extends Sink>(directory: string, into: Into): Promise<Into>;
  async list(directory: string, into: Sink = []): Promise<Sink> {
    const names = await this.#call('list', directory, (disk, view) =>
      this.#caller.shuffle(disk.list(directory, view)),
    );
    for (const name of names) into.push(name);
    return into;
  }

  stat(path: string): Promise<Stat | undefined> {
    return this.#call('stat', path, (disk, view) => disk.stat(path, view));
  }

  read(path: string, limit: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    return this.#call('read', path, (disk, view) => {
      const bytes = encoder.encode(disk.read(path, view));
      return bytes.length > limit ? bytes.subarray(0, limit + 1) : bytes;
    });
  }

  create(path: string, content: string): Promise<void> {
    return this.#call('create', path, (disk, _view, isCut) => {
      const written = isCut ? content.slice(0, Math.floor(content.length / 2)) : content;
      disk.create(path, written, this.#caller.actor);
    });
  }

  overwrite(path: string, content: string): Promise<void> {
    return this.#change('overwrite', path, (disk, actor) => disk.overwrite(path, content, actor));
  }

  append(path: string, content: string): Promise<void> {
    return this.#change('append', path, (disk, actor) => disk.append(path, content, actor));
  }

  link(existing: string, name: string): Promise<void> {
    return this.#change('link', name, (disk, actor) => disk.link(existing, name, actor));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change('rename', to, (disk, actor) => disk.rename(from, to, actor));
  }

  unlink(path: string): Promise<void> {
    return this.#change('unlink', path, (disk, actor) => disk.unlink(path, actor));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#change('makeDirectory', path, (disk, actor) => disk.makeDirectory(path, actor));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#change('removeDirectory', path, (disk, actor) =>
      disk.removeDirectory(path, actor),
    );
  }

  chmod(path: string, mode: number): Promise<void> {
    return this.#change('chmod', path, (disk) => disk.chmod(path, mode));
  }

  sync(path: string): Promise<void> {
    return this.#change('sync', path, (disk) => disk.sync(path));
  }

  #change(method: Method, path: string, act: (disk: Disk, actor: Actor) => void): Promise<void> {
    return this.#call(method, path, (disk) => act(disk, this.#caller.actor));
  }

  #call<T>(method: Method, path: string, effect: Effect<T>): Promise<T> {
    const caller = this.#caller;
    const fault = caller.begin(method, path);
    return new Promise<T>((resolve, reject) => {
      if (fault?.kind === 'crash-before') return caller.die();
      if (fault?.kind === 'power') return caller.losePower();
      const delay = caller.latency() + (fault?.kind === 'slow' ? fault.delay : 0);
      caller.later(delay, () => {
        const reply = this.#perform(method, path, effect, fault);
        caller.end(method, path, reply.error === undefined ? 'ok' : reply.error.message);
        if (fault?.kind === 'crash-after') return caller.die();
        const { error } = reply;
        caller.deliver(() => (error === undefined ? resolve(reply.value as T) : reject(error)));
      });
    });
  }

  #perform<T>(
    method: Method,
    path: string,
    effect: Effect<T>,
    fault: Fault | undefined,
  ): { value?: T; error?: Error } {
    const caller = this.#caller;
    const disk = caller.disk();
    if (fault?.kind === 'refused') return { error: failure(fault.errno, path) };
    const view =
      fault?.kind === 'stale'
        ? { time: caller.now() - fault.age, client: caller.actor.client }
        : undefined;
    let reply: { value?: T; error?: Error };
    try {
      reply = { value: effect(disk, view, fault?.kind === 'crash-after') };
    } catch (error) {
      reply = { error: error as Error };
    }
    if (
      (reply.error as { code?: string } | undefined)?.code === 'EEXIST' &&
      method !== 'makeDirectory'
    ) {
      reply = { error: failure(caller.taken, path) };
    }
    if (fault?.kind === 'duplicate') {
      caller.later(fault.delay, () => {
        try {
          effect(disk, undefined, false);
          caller.end(method, path, 'ok, repeated');
        } catch {
          // The first request took effect, so its repetition fails (EEXIST, ENOENT).
        }
      });
    }
    return fault?.kind === 'lost' ? { error: failure(fault.errno, path) } : reply;
  }
}
