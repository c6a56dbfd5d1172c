/** The process behind a `Peer`: answers requests, and ends when its parent disconnects. */
import { errnoOf } from '../volume/files.ts';
import { NodeFiles } from '../volume/node-files.ts';
import { answer, type PeerPorts } from './peer.ts';
import type { PeerAnswer, PeerQuestion, PeerReply } from './peer.ts';

const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;
const never = new Int32Array(new SharedArrayBuffer(4));
/** Sleeping is inexact: the rest is a busy wait, so that attempts start within microseconds of each other. */
const BUSY_WAIT_MS = 0.4;

const ports: PeerPorts = {
  files: new NodeFiles(),
  clock: {
    now: () => Date.now(),
    monotonic,
    sleep: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
  },
  waitUntil: async (moment) => {
    const left = moment - monotonic() - BUSY_WAIT_MS;
    if (left > 0) Atomics.wait(never, 0, 0, left);
    while (monotonic() < moment);
  },
};

process.on('message', ({ id, request }: PeerQuestion) => {
  void answer(ports, request)
    .catch((error: unknown): PeerReply => ({ error: String(error), errno: errnoOf(error) }))
    .then((reply) => process.send?.({ id, reply } satisfies PeerAnswer));
});
process.on('disconnect', () => process.exit());
