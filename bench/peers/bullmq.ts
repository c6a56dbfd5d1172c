/** A worker process of BullMQ. */
import type { BullSettings } from '../bullmq.ts';
import { loadPeer } from '../install.ts';
import type { Job } from '../model.ts';
import { Tally } from '../tally.ts';
import { handle } from './handle.ts';

interface BullMq {
  Queue: new (name: string, options: object) => { add(name: string, data: Job): Promise<unknown> };
  Worker: new (
    name: string,
    handler: (job: { data: Job }) => Promise<void>,
    options: object,
  ) => {
    on(event: 'completed', listener: () => void): void;
    on(event: 'error' | 'failed', listener: (...facts: readonly unknown[]) => void): void;
    waitUntilReady(): Promise<unknown>;
  };
}

const { port, concurrency } = JSON.parse(process.argv[2]!) as BullSettings;
const { Queue, Worker } = loadPeer('bullmq') as BullMq;
const connection = { host: '127.0.0.1', port };
const tally = new Tally();
const queue = new Queue('bench', { connection });
const worker = new Worker(
  'bench',
  async ({ data }) => {
    tally.begin();
    const next = await handle(data);
    if (next !== undefined) await queue.add(next.kind, next);
  },
  { connection, concurrency },
);
worker.on('completed', () => tally.finish());
for (const event of ['error', 'failed'] as const) {
  worker.on(event, (...facts) => {
    console.error(event, ...facts);
    process.exit(1);
  });
}
await worker.waitUntilReady();
tally.ready();
