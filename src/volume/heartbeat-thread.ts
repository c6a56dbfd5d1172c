/** The thread behind `heartbeat.ts`: beats until the lease is gone or the process ends. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { errnoOf } from './files.ts';
import { formatCounter, type ThreadData, type ThreadMessage } from './heartbeat.ts';

const { lease, interval, shared, counter: start } = workerData as ThreadData;
const times = new Float64Array(shared);
let counter = start;

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;
const post = (message: ThreadMessage): void => parentPort?.postMessage(message);

/** Opened anew each time: a lease that somebody removed must not be kept alive through an old handle. */
function beat(): void {
  const fd = openSync(lease, 'r+');
  try {
    const before = Date.now();
    writeSync(fd, formatCounter(++counter), 0);
    const after = Date.now();
    const { mtimeMs } = fstatSync(fd);
    times[1] = monotonic();
    post({
      kind: 'sample',
      sample: { before, after: after + 1, mtime: mtimeMs, monotonic: monotonic() },
    });
  } finally {
    closeSync(fd);
  }
}

function tryBeat(): void {
  if (monotonic() > (times[0] ?? 0)) return;
  try {
    beat();
  } catch (error) {
    // Only a lease that is gone means the end; a full or failing volume may come back.
    if (errnoOf(error) !== 'ENOENT') return;
    clearInterval(timer);
    post({ kind: 'broken' });
  }
}

const timer = setInterval(tryBeat, interval);
tryBeat();
