/** graphile-worker on PostgreSQL: as it comes, and with its local queue and batched completions. */
import { DatabaseRig } from './database-rig.ts';
import { installPeer, loadPeer } from './install.ts';
import type { Site, System } from './model.ts';
import { installPostgres, Postgres } from './postgres.ts';

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
      await client.query(
        "select count(graphile_worker.add_job('bench', $1::json)) from generate_series(1, $2)",
        [JSON.stringify(job), count],
      );
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
