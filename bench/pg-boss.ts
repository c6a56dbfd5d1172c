/** pg-boss on PostgreSQL: job by job, and in batches. */
import { DatabaseRig } from './database-rig.ts';
import { installPeer, loadPeer } from './install.ts';
import type { Job, Site, System } from './model.ts';
import { installPostgres, Postgres, type Client } from './postgres.ts';

/** Jobs to one statement. */
const JOBS_PER_STATEMENT = 5000;

interface Boss {
  on(event: 'error', listener: (error: unknown) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string, options: object): Promise<void>;
  insert(name: string, jobs: readonly { data: Job }[], options: object): Promise<unknown>;
  getQueueStats(name: string, options: object): Promise<unknown>;
}

async function open(site: Site, batched: boolean): Promise<DatabaseRig> {
  const postgres = await Postgres.start(site);
  const { PgBoss } = loadPeer('pg-boss') as { PgBoss: new (options: object) => Boss };
  const boss = new PgBoss({ connectionString: postgres.url });
  boss.on('error', () => undefined);
  await boss.start();
  await boss.createQueue('bench', { notify: true });
  return new DatabaseRig(site, postgres, await postgres.connect(), {
    program: 'pg-boss.ts',
    batched,
    put: (client, job, count) => put(boss, client, job, count),
    isAnyLeft: "select from pgboss.job where name = 'bench' and state < 'completed' limit 1",
    close: () => boss.stop({ graceful: false }),
  });
}

async function put(boss: Boss, client: Client, job: Job, count: number): Promise<void> {
  const db = {
    executeSql: (text: string, values?: readonly unknown[]) => client.query(text, values),
  };
  for (let there = 0; there < count; there += JOBS_PER_STATEMENT) {
    const length = Math.min(JOBS_PER_STATEMENT, count - there);
    const jobs = Array.from({ length }, () => ({ data: job }));
    await boss.insert('bench', jobs, { db });
  }
}

const pgBoss = (batched: boolean): System => ({
  name: batched ? 'pg-boss-batched' : 'pg-boss',
  title: batched ? 'pg-boss, batched' : 'pg-boss, one by one',
  settings:
    `2 workers, ${batched ? 'batches of 500 (10 for 50 ms jobs)' : 'localConcurrency 25 (10 for 50 ms jobs), burstWhenReadyExceeds 1, a fifth of the states and chains'}, ` +
    'woken by NOTIFY; PostgreSQL with the settings it comes with, fsync on',
  rows: ['drain', 'chains', 'sleep', 'latency'],
  part: batched ? 1 : 0.2,
  prepare: async () => {
    const postgres = await installPostgres();
    return { version: `${await installPeer('pg-boss')}, PostgreSQL ${postgres}` };
  },
  open: (site) => open(site, batched),
});

export const pgBosses: readonly System[] = [pgBoss(false), pgBoss(true)];
