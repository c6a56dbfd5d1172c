/** graphile-worker on PostgreSQL: as it comes, and with its local queue and batched completions. */
import { DatabaseRig } from './database-rig.ts';
import { installPeer, loadPeer } from './install.ts';
import type { Site, System } from './model.ts';
import { installPostgres, Postgres } from './postgres.ts';

/** Jobs to one statement. */
const JOBS_PER_STATEMENT = 5000;
const INSERT = `select count(*) from graphile_worker.add_jobs(array(
  select row('bench', $1::json, null, null, null, null, null, null)::graphile_worker.job_spec
  from generate_series(1, $2)))`;

interface GraphileWorker {
  readonly runMigrations: (options: { connectionString: string }) => Promise<void>;
}

async function open(site: Site, batched: boolean): Promise<DatabaseRig> {
  const postgres = await Postgres.start(site);
  const { runMigrations } = loadPeer('graphile-worker') as GraphileWorker;
  await runMigrations({ connectionString: postgres.url });
  return new DatabaseRig(site, postgres, await postgres.connect(), {
    program: 'graphile.ts',
    batched,
    put: async (client, job, count) => {
      for (let there = 0; there < count; there += JOBS_PER_STATEMENT) {
        const length = Math.min(JOBS_PER_STATEMENT, count - there);
        await client.query(INSERT, [JSON.stringify(job), length]);
      }
    },
    isAnyLeft: 'select from graphile_worker._private_jobs limit 1',
    close: () => Promise.resolve(),
  });
}

const graphile = (batched: boolean): System => ({
  name: batched ? 'graphile-batched' : 'graphile',
  title: batched ? 'graphile-worker, batched' : 'graphile-worker',
  settings:
    '2 workers, 24 jobs at a time and a pool of 25 as its documentation measures (10 for 50 ms jobs); PostgreSQL with the settings it comes with, fsync on' +
    (batched ? '; localQueue of 500, completeJobBatchDelay 0' : ''),
  rows: ['drain', 'chains', 'sleep', 'latency'],
  prepare: async () => {
    const postgres = await installPostgres();
    return { version: `${await installPeer('graphile-worker')}, PostgreSQL ${postgres}` };
  },
  open: (site) => open(site, batched),
});

export const graphiles: readonly System[] = [graphile(false), graphile(true)];
