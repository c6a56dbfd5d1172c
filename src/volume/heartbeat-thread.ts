/** The thread of `heartbeat.ts`: beats until the lease is gone or the process ends. */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { Pulse, type HeartbeatData, type HeartbeatMessage } from './heartbeat.ts';
import { OVERWRITE_FLAGS } from './node-files.ts';

const { lease, interval, shared, counter } = workerData as HeartbeatData;
const times = new Float64Array(shared);

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;
const post = (message: HeartbeatMessage): void => parentPort?.postMessage(message);

/** Opens the file each time: a lease that was removed must not be kept alive through an old handle. */
function rewrite(content: string): number {
  const fd = openSync(lease, OVERWRITE_FLAGS);
  try {
    writeSync(fd, content, 0);
    return fstatSync(fd).mtimeMs;
  } finally {
    closeSync(fd);
  }
}

const pulse = new Pulse({ now: Date.now, monotonic, rewrite }, counter);

function tryBeat(): void {
  const beat = pulse.beat(times[0] ?? 0);
  if (beat.kind === 'broken') {
    clearInterval(timer);
    post({ kind: 'broken' });
  } else if (beat.kind === 'beat') {
    times[1] = beat.began.monotonic;
    times[2] = beat.began.wall;
    post({ kind: 'sample', sample: beat.sample });
  }
}

const timer = setInterval(tryBeat, interval);
tryBeat();
