/** A worker process of graphile-worker. */
import type { DatabaseSettings } from '../database-rig.ts';
import { loadPeer } from '../install.ts';
import type { Job } from '../model.ts';
import { Tally } from '../tally.ts';
import { handle } from './handle.ts';

/** As in the measurements of its documentation. */
const MAX_JOBS = 24;
const LOCAL_QUEUE_JOBS = 500;

interface GraphileWorker {
  readonly run: (
    options: object,
  ) => Promise<{ events: { on(event: string, listener: () => void): void } }>;
}
interface Helpers {
  readonly addJob: (task: string, payload: Job) => Promise<unknown>;
}

const { url, concurrency, batched } = JSON.parse(process.argv[2]!) as DatabaseSettings;
const { run } = loadPeer('graphile-worker') as GraphileWorker;
const tally = new Tally();
const concurrentJobs = Math.min(MAX_JOBS, concurrency);
const runner = await run({
  preset: {
    worker: {
      connectionString: url,
      concurrentJobs,
      maxPoolSize: concurrentJobs + 1,
      ...(batched && {
        // With long jobs, fetch no more than it can start: the rest is for the other worker.
        localQueue: { size: concurrency < MAX_JOBS ? concurrency : LOCAL_QUEUE_JOBS },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      }),
    },
  },
  parsedCronItems: [],
  taskList: {
    bench: async (payload: Job, { addJob }: Helpers) => {
      tally.begin();
      const next = await handle(payload);
      if (next !== undefined) await addJob('bench', next);
    },
  },
});
runner.events.on('job:success', () => tally.finish());
for (const event of ['job:error', 'worker:fatalError', 'pool:fatalError']) {
  runner.events.on(event, () => process.exit(1));
}
tally.ready();
