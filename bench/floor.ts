/** The floor: a loop of the file system calls that a state needs at least, without coordination. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Job, Rig, Site, System } from './model.ts';
import { WorkerGroup } from './worker-group.ts';

/** Settings of `peers/floor.ts`. */
export interface FloorSettings {
  readonly directory: string;
  readonly durable: boolean;
  readonly index: number;
  readonly processes: number;
}

/** Message to `peers/floor.ts`: work off the states whose names begin so. */
export interface FloorBatch {
  readonly prefix: string;
}

export class FloorRig implements Rig {
  readonly serverPids: readonly number[] = [];
  readonly #site: Site;
  readonly #settings: readonly FloorSettings[];
  readonly #group = new WorkerGroup();
  /** Calls of `put`. */
  #batches = 0;
  /** With what the names of the last batch begin. */
  #prefix = '';

  constructor(site: Site, processes: number, durable: boolean) {
    this.#site = site;
    for (const name of ['in_progress', 'done', 'staging']) mkdirSync(join(site.directory, name));
    this.#settings = Array.from({ length: processes }, (_, index) => ({
      directory: site.directory,
      durable,
      index,
      processes,
    }));
  }

  get workerPids(): readonly number[] {
    return this.#group.pids;
  }

  async start(): Promise<void> {
    await this.#group.start('floor.ts', this.#settings, {});
  }

  async put(job: Job, count: number): Promise<void> {
    const text = JSON.stringify(job);
    this.#batches += 1;
    this.#prefix = `${job.kind}-${this.#batches}-`;
    for (let index = 0; index < count; index += 1) {
      writeFileSync(join(this.#site.directory, `${this.#prefix}${index}.state`), text);
    }
  }

  async release(): Promise<number> {
    const message: FloorBatch = { prefix: this.#prefix };
    this.#group.tell(message);
    return Date.now();
  }

  finished(steps: number): Promise<number> {
    return this.#group.finished(steps);
  }

  firstBegan(): Promise<number> {
    return this.#group.firstBegan();
  }

  async countDone(): Promise<number> {
    return readdirSync(join(this.#site.directory, 'done')).length;
  }

  drop(): Promise<void> {
    return Promise.reject(new Error('the floor does not wait for work'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]();
  }
}

const floor = (processes: 1 | 2, durable: boolean): System => ({
  name: `floor-${processes}${durable ? '-durable' : ''}`,
  title: `floor, ${processes === 1 ? 'one process' : 'two processes'}${durable ? ', durable' : ''}`,
  settings:
    'claim (link), look (lstat), open, read, close, commit (link), release (unlink), in a loop; ' +
    'chains: record and successor too, a thousand chains together' +
    (durable ? '; done/ fsynced each 1,000, of chains every file too' : ''),
  rows: ['drain', 'chains'],
  prepare: async () => ({ version: process.version }),
  open: async (site) => new FloorRig(site, processes, durable),
});

export const floors: readonly System[] = [
  floor(1, false),
  floor(2, false),
  floor(1, true),
  floor(2, true),
];
