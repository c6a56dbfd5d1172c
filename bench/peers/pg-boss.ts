/** A worker process of pg-boss. */
import type { DatabaseSettings } from '../database-rig.ts';
import { loadPeer } from '../install.ts';
import type { Job } from '../model.ts';
import { Tally } from '../tally.ts';
import { handle } from './handle.ts';

const BATCH_JOBS = 500;
const MAX_WORKERS = 25;
/** The shortest that it allows, s. */
const POLL_SECONDS = 0.5;

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
  max: MAX_WORKERS,
  useListenNotify: true,
  // A fresh count of ready jobs makes it fetch without a pause.
  superviseIntervalSeconds: 1,
  monitorIntervalSeconds: 1,
  queueCacheIntervalSeconds: 1,
});
boss.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
await boss.start();
const poll = { pollingIntervalSeconds: POLL_SECONDS, notifyPollingIntervalSeconds: POLL_SECONDS };
const options = batched
  ? {
      ...poll,
      batchSize: concurrency < MAX_WORKERS ? concurrency : BATCH_JOBS,
      burstWhenBatchFull: true,
    }
  : {
      ...poll,
      batchSize: 1,
      localConcurrency: Math.min(MAX_WORKERS, concurrency),
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
