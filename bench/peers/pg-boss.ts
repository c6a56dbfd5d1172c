/** A worker process of pg-boss. */
import type { DatabaseSettings } from '../database-rig.ts';
import { loadPeer } from '../install.ts';
import type { Job } from '../model.ts';
import { Tally } from '../tally.ts';
import { handle } from './handle.ts';

const BATCH = 500;
const MOST_WORKERS = 25;
/** The shortest that it allows, s. */
const POLL = 0.5;

interface Boss {
  on(event: 'error', listener: (error: unknown) => void): void;
  start(): Promise<unknown>;
  work(
    name: string,
    options: object,
    handler: (jobs: readonly { data: Job }[]) => Promise<void>,
  ): Promise<unknown>;
  insert(name: string, jobs: readonly { data: Job }[]): Promise<unknown>;
}

const { url, concurrency, batched } = JSON.parse(process.argv[2]!) as DatabaseSettings;
const { PgBoss } = loadPeer('pg-boss') as { PgBoss: new (options: object) => Boss };
const tally = new Tally();
const boss = new PgBoss({
  connectionString: url,
  max: MOST_WORKERS,
  useListenNotify: true,
  // How many are ready is what makes it fetch without a pause: it has to be fresh.
  superviseIntervalSeconds: 1,
  monitorIntervalSeconds: 1,
  queueCacheIntervalSeconds: 1,
});
boss.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
await boss.start();
const poll = { pollingIntervalSeconds: POLL, notifyPollingIntervalSeconds: POLL };
const options = batched
  ? {
      ...poll,
      batchSize: concurrency < MOST_WORKERS ? concurrency : BATCH,
      burstWhenBatchFull: true,
    }
  : {
      ...poll,
      batchSize: 1,
      localConcurrency: Math.min(MOST_WORKERS, concurrency),
      burstWhenReadyExceeds: 1,
    };
await boss.work('bench', options, async (jobs) => {
  tally.begin();
  const next = await Promise.all(jobs.map(({ data }) => handle(data)));
  const following = next.flatMap((data) => (data === undefined ? [] : [{ data }]));
  if (following.length > 0) await boss.insert('bench', following);
  tally.finish(jobs.length);
});
tally.ready();
