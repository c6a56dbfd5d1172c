/** The simulator's disk without delays and faults: each call takes effect at once. */
import type { Sink, Stat } from '../../../src/volume/files.ts';
import type { HistoryFiles } from '../../../src/volume/history.ts';
import type { Actor, Disk } from '../../../src/sim/disk.ts';

export class DiskFiles implements HistoryFiles {
  readonly #disk: Disk;
  readonly #actor: Actor;
  #refused = '';
  /** Still to come: see `refuseNew`. */
  refusals = 0;

  constructor(disk: Disk, stamp: () => number) {
    this.#disk = disk;
    this.#actor = { client: 'all', stamp };
  }

  list(directory: string): Promise<string[]>;
  list<Into extends Sink>(directory: string, into: Into): Promise<Into>;
  async list(directory: string, into: Sink = []): Promise<Sink> {
    for (const name of this.#disk.list(directory)) into.push(name);
    return into;
  }

  async *names(directory: string): AsyncGenerator<string> {
    yield* this.#disk.list(directory);
  }

  async stat(path: string): Promise<Stat | undefined> {
    return this.#disk.stat(path);
  }

  async read(path: string, limit: number = Number.POSITIVE_INFINITY): Promise<Uint8Array> {
    const bytes = new TextEncoder().encode(this.#disk.read(path));
    return bytes.length > limit ? bytes.subarray(0, limit + 1) : bytes;
  }

  async readAt(path: string, position: number, length: number): Promise<Uint8Array> {
    return Buffer.from(this.#disk.read(path)).subarray(position, position + length);
  }

  /** The disk is full for so many files to be made in a directory of this name. */
  refuseNew(directory: string, times: number): void {
    [this.#refused, this.refusals] = [`/${directory}/`, times];
  }

  async create(path: string, content: string): Promise<void> {
    if (this.refusals > 0 && path.includes(this.#refused)) {
      this.refusals -= 1;
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    }
    this.#disk.create(path, content, this.#actor);
  }

  async overwrite(path: string, content: string): Promise<void> {
    this.#disk.overwrite(path, content, this.#actor);
  }

  async append(path: string, content: string): Promise<void> {
    this.#disk.append(path, content, this.#actor);
  }

  async link(existing: string, name: string): Promise<void> {
    this.#disk.link(existing, name, this.#actor);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#disk.rename(from, to, this.#actor);
  }

  async unlink(path: string): Promise<void> {
    this.#disk.unlink(path, this.#actor);
  }

  async makeDirectory(path: string): Promise<void> {
    this.#disk.makeDirectory(path, this.#actor);
  }

  async removeDirectory(path: string): Promise<void> {
    this.#disk.removeDirectory(path, this.#actor);
  }

  async chmod(path: string, mode: number): Promise<void> {
    this.#disk.chmod(path, mode);
  }

  async sync(path: string): Promise<void> {
    this.#disk.sync(path);
  }
}
