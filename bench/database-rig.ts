/** Common part of the queues on PostgreSQL. Jobs are inserted in one transaction; its commit is the release. */
import { WORKERS, type Job, type Rig, type Site } from './model.ts';
import type { Client, Postgres } from './postgres.ts';
import { until } from './processes.ts';
import { WorkerGroup } from './worker-group.ts';

/** Settings of `peers/graphile.ts` and `peers/pg-boss.ts`. */
export interface DatabaseSettings {
  readonly url: string;
  readonly concurrency: number;
  readonly batched: boolean;
}

export interface Queue {
  /** In `peers/`. */
  readonly program: string;
  readonly batched: boolean;
  /** Inserts through this connection, within its transaction. */
  put(client: Client, job: Job, count: number): Promise<void>;
  /** True if a job is not done. */
  readonly isAnyLeft: string;
  close(): Promise<void>;
}

export class DatabaseRig implements Rig {
  readonly #site: Site;
  readonly #postgres: Postgres;
  readonly #client: Client;
  readonly #queue: Queue;
  readonly #group = new WorkerGroup();

  constructor(site: Site, postgres: Postgres, client: Client, queue: Queue) {
    this.#site = site;
    this.#postgres = postgres;
    this.#client = client;
    this.#queue = queue;
  }

  get workerPids(): readonly number[] {
    return this.#group.pids;
  }

  get serverPids(): readonly number[] {
    return [this.#postgres.pid];
  }

  async start(concurrency: number): Promise<void> {
    const { program, batched } = this.#queue;
    const settings: DatabaseSettings = { url: this.#postgres.url, concurrency, batched };
    await this.#group.start(
      program,
      Array.from({ length: WORKERS }, () => settings),
      { BENCH_STAMPS: this.#site.stamps, NO_LOG_SUCCESS: '1' },
    );
  }

  async put(job: Job, count: number): Promise<void> {
    await this.#client.query('begin');
    await this.#queue.put(this.#client, job, count);
  }

  async release(): Promise<number> {
    const now = Date.now();
    await this.#client.query('commit');
    return now;
  }

  /** Workers report when handlers have run; the database, when that is on the disk. */
  async finished(steps: number): Promise<number> {
    await this.#group.finished(steps);
    await until(
      'the last jobs are committed',
      async () => {
        this.#group.assertAlive();
        return (await this.#client.query(this.#queue.isAnyLeft)).rowCount === 0;
      },
      2,
    );
    return Date.now();
  }

  firstBegan(): Promise<number> {
    return this.#group.firstBegan();
  }

  async countDone(): Promise<number> {
    return this.#group.countDone;
  }

  drop(job: Job): Promise<void> {
    return this.#queue.put(this.#client, job, 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]();
    await this.#queue.close();
    await this.#client.end();
    await this.#postgres[Symbol.asyncDispose]();
  }
}
