/** Flockwork's workers on PostgreSQL: the engine is chosen by a URL, the machines are the same. */
import { initEngine, openEngine } from '../src/index.ts';
import type { Engine, NewState } from '../src/engine/engine.ts';
import { formatStateFile } from '../src/machine/state-file.ts';
import { WORKERS, type Job, type Rig, type Site, type System } from './model.ts';
import { installPostgres, Postgres } from './postgres.ts';
import { WorkerGroup } from './worker-group.ts';

/** State files for one call. */
const BATCH = 5000;
const encoder = new TextEncoder();

/** Settings of `peers/flockwork-postgres.ts`. */
export interface EngineSettings {
  readonly url: string;
  readonly concurrency: number;
  readonly name: string;
}

class PostgresRig implements Rig {
  readonly #site: Site;
  readonly #postgres: Postgres;
  readonly #engine: Engine;
  readonly #group = new WorkerGroup();
  #submitted = 0;

  constructor(site: Site, postgres: Postgres, engine: Engine) {
    this.#site = site;
    this.#postgres = postgres;
    this.#engine = engine;
  }

  get workerPids(): readonly number[] {
    return this.#group.pids;
  }

  get serverPids(): readonly number[] {
    return [this.#postgres.pid];
  }

  async start(concurrency: number): Promise<void> {
    const { url } = this.#postgres;
    const { stamps, directory } = this.#site;
    const settings = Array.from({ length: WORKERS }, (_, index): EngineSettings => ({
      url,
      concurrency,
      name: `bench-${index}`,
    }));
    const env = { BENCH_STAMPS: stamps, BENCH_FIRST: `${directory}/first` };
    await this.#group.start('flockwork-postgres.ts', settings, env);
    await this.#engine.pause('bench');
  }

  async put(job: Job, count: number): Promise<void> {
    const { kind, ...payload } = job;
    const bytes = encoder.encode(formatStateFile({ state: kind, payload: { ...payload } }));
    for (let there = 0; there < count; there += BATCH) {
      const length = Math.min(BATCH, count - there);
      const states = Array.from({ length }, (): NewState => {
        this.#submitted += 1;
        return { name: `${kind}-${this.#submitted}.state`, bytes };
      });
      await this.#engine.submit(states);
    }
  }

  async release(): Promise<number> {
    const now = Date.now();
    await this.#engine.resume();
    return now;
  }

  /** A worker counts a step when the database has committed it. */
  finished(steps: number): Promise<number> {
    return this.#group.finished(steps);
  }

  firstBegan(): Promise<number> {
    return this.#group.firstBegan();
  }

  async countDone(): Promise<number> {
    return this.#group.countDone;
  }

  drop(job: Job): Promise<void> {
    return this.put(job, 1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]();
    await this.#engine.close();
    await this.#postgres[Symbol.asyncDispose]();
  }
}

export const flockworkPostgres: System = {
  name: 'flockwork-postgres',
  title: 'Flockwork on PostgreSQL',
  settings:
    '2 workers in programs, concurrency 128 (10 where ticks take 50 ms); PostgreSQL with the settings it comes with, fsync on',
  rows: ['drain', 'chains', 'sleep', 'latency'],
  prepare: async () => ({ version: `PostgreSQL ${await installPostgres()}` }),
  open: async (site) => {
    const postgres = await Postgres.start(site);
    await initEngine(postgres.url);
    return new PostgresRig(site, postgres, await openEngine(postgres.url));
  },
};
