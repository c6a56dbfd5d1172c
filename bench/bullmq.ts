/** BullMQ on its own redis-server: without persistence, and with an append-only file that is fsynced each second or always. */
import { connect } from 'node:net';
import { installDebian, installPeer, loadPeer } from './install.ts';
import { WORKERS, type Job, type Rig, type Site, type System } from './model.ts';
import { freePort } from './ports.ts';
import { Child, until } from './processes.ts';
import { WorkerGroup } from './worker-group.ts';

const SERVER = '/usr/bin/redis-server';
/** Jobs to one `addBulk`. */
const JOBS_PER_CALL = 5000;

/** Settings of `peers/bullmq.ts`. */
export interface BullSettings {
  readonly port: number;
  readonly concurrency: number;
}

interface Queue {
  pause(): Promise<void>;
  resume(): Promise<void>;
  add(name: string, data: Job): Promise<unknown>;
  addBulk(jobs: readonly { name: string; data: Job }[]): Promise<unknown>;
  getCompletedCount(): Promise<number>;
  close(): Promise<void>;
}

class BullRig implements Rig {
  readonly #site: Site;
  readonly #port: number;
  readonly #server: Child;
  readonly #queue: Queue;
  readonly #group = new WorkerGroup();

  constructor(site: Site, port: number, server: Child, queue: Queue) {
    this.#site = site;
    this.#port = port;
    this.#server = server;
    this.#queue = queue;
  }

  get workerPids(): readonly number[] {
    return this.#group.pids;
  }

  get serverPids(): readonly number[] {
    return [this.#server.pid];
  }

  async start(concurrency: number): Promise<void> {
    const settings: BullSettings = { port: this.#port, concurrency };
    const env = { BENCH_STAMPS: this.#site.stamps };
    await this.#group.start(
      'bullmq.ts',
      Array.from({ length: WORKERS }, () => settings),
      env,
    );
  }

  async put(job: Job, count: number): Promise<void> {
    await this.#queue.pause();
    for (let put = 0; put < count; put += JOBS_PER_CALL) {
      const length = Math.min(JOBS_PER_CALL, count - put);
      await this.#queue.addBulk(Array.from({ length }, () => ({ name: job.kind, data: job })));
    }
  }

  async release(): Promise<number> {
    const now = Date.now();
    await this.#queue.resume();
    return now;
  }

  finished(steps: number): Promise<number> {
    return this.#group.finished(steps);
  }

  firstBegan(): Promise<number> {
    return this.#group.firstBegan();
  }

  countDone(): Promise<number> {
    return this.#queue.getCompletedCount();
  }

  async drop(job: Job): Promise<void> {
    await this.#queue.add(job.kind, job);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group[Symbol.asyncDispose]();
    await this.#queue.close();
    await this.#server.stop();
  }
}

/** Redis' `appendfsync`; undefined for no append-only file. */
type AppendFsync = 'everysec' | 'always' | undefined;

async function open(site: Site, appendFsync: AppendFsync): Promise<Rig> {
  const port = await freePort();
  const place = ['--bind', '127.0.0.1', '--port', String(port), '--dir', site.directory];
  const persistence =
    appendFsync === undefined
      ? ['--appendonly', 'no']
      : ['--appendonly', 'yes', '--appendfsync', appendFsync];
  const server = new Child(SERVER, [...place, '--save', '', ...persistence]);
  await until('redis answers', () => {
    server.assertAlive();
    return answers(port);
  });
  const { Queue } = loadPeer('bullmq') as {
    Queue: new (name: string, options: object) => Queue;
  };
  const queue = new Queue('bench', { connection: { host: '127.0.0.1', port } });
  return new BullRig(site, port, server, queue);
}

function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).then((is) => {
    socket.destroy();
    return is === true;
  });
}

const bullmq = (appendFsync: AppendFsync, settings: string, rows: System['rows']): System => ({
  name: appendFsync === undefined ? 'bullmq' : `bullmq-${appendFsync}`,
  title: appendFsync === undefined ? 'BullMQ' : `BullMQ, AOF ${appendFsync}`,
  settings: `2 workers, concurrency 50 (10 for 50 ms jobs); redis-server ${settings}`,
  rows,
  prepare: async () => {
    const redis = await installDebian('redis-server', SERVER);
    return { version: `${await installPeer('bullmq')}, Redis ${redis}` };
  },
  open: (site) => open(site, appendFsync),
});

export const bullmqs: readonly System[] = [
  bullmq(undefined, 'without snapshots or append-only file: nothing is durable', [
    'drain',
    'chains',
    'sleep',
    'latency',
    'million',
  ]),
  bullmq('everysec', 'with appendfsync everysec: a power cut may lose a second', [
    'drain',
    'chains',
    'latency',
  ]),
  bullmq('always', 'with appendfsync always: durable', [
    'drain',
    'chains',
    'sleep',
    'latency',
    'million',
  ]),
];
