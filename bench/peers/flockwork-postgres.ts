/** A worker process of Flockwork on PostgreSQL. */
import { createWorker, openEngine } from '../../src/index.ts';
import type { EngineSettings } from '../flockwork-postgres.ts';
import chain from '../machines/chain.ts';
import noop from '../machines/noop.ts';
import sleep from '../machines/sleep.ts';
import stamp from '../machines/stamp.ts';
import { Tally } from '../tally.ts';

/** What a database is asked for at a time, and more than a volume's rows use: it has no cycle in which to prefetch. */
const MAX_CONCURRENCY = 128;
const SHORT_TICKS = 50;

const { url, concurrency, name } = JSON.parse(process.argv[2]!) as EngineSettings;
const tally = new Tally();
const engine = await openEngine(url);
const worker = createWorker(engine, {
  machines: [chain, noop, sleep, stamp],
  concurrency: concurrency < SHORT_TICKS ? concurrency : MAX_CONCURRENCY,
  name,
});
worker.on('step', () => {
  tally.begin();
  tally.finish();
});
await worker.start();
tally.ready();
