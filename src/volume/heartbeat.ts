/**
 * Heartbeat: a separate thread rewrites the lease, so that a tick that blocks the event loop cannot starve it. It pauses while
 * a tick is past its deadline, so that a hung worker does not hold its states for ever. It ends when the lease is gone:
 * another session has expired it.
 */
import { Worker } from 'node:worker_threads';
import type { ClockSample } from './phases/volume-clock.ts';
import { silenceSince, type HostMoment } from './pulse.ts';

/** A session's heartbeat; the simulator has one without a thread. */
export interface Heartbeat {
  /** Monotonic ms: there is no beat after it, until it is moved. Infinity: no deadline. */
  setDeadline(monotonic: number): void;
  /** The lease was found gone. */
  readonly broken: boolean;
  /** Milliseconds since a beat began that renewed the lease. */
  silence(): number;
  stop(): Promise<void>;
}

export interface HeartbeatOptions {
  readonly lease: string;
  /** The last value written: counting continues from it. */
  readonly counter: number;
  /** Milliseconds between beats. */
  readonly interval: number;
  /** Every beat is also a measurement of the volume's clock. */
  readonly onSample: (sample: ClockSample) => void;
  readonly onBroken: () => void;
}

export type StartHeartbeat = (options: HeartbeatOptions) => Heartbeat;

/** Shared with the thread: [deadline, last beat] in milliseconds of `process.hrtime`, and that beat in those of `Date.now`. */
const SHARED_BYTES = 24;

const now = (): HostMoment => ({
  monotonic: Number(process.hrtime.bigint()) / 1e6,
  wall: Date.now(),
});

export interface HeartbeatData {
  readonly lease: string;
  readonly counter: number;
  readonly interval: number;
  readonly shared: SharedArrayBuffer;
}

export type HeartbeatMessage = { kind: 'sample'; sample: ClockSample } | { kind: 'broken' };

export const startHeartbeatThread: StartHeartbeat = (options) => {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const times = new Float64Array(shared);
  times[0] = Number.POSITIVE_INFINITY;
  const started = now();
  times[1] = started.monotonic;
  times[2] = started.wall;
  let broken = false;

  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const thread = new Worker(new URL(`./heartbeat-thread${extension}`, import.meta.url), {
    workerData: {
      lease: options.lease,
      counter: options.counter,
      interval: options.interval,
      shared,
    } satisfies HeartbeatData,
    // The thread needs neither this process's flags nor its environment.
    execArgv: [],
    env: {},
  });
  thread.unref();
  thread.on('message', (message: HeartbeatMessage) => {
    if (message.kind === 'sample') return options.onSample(message.sample);
    broken = true;
    options.onBroken();
  });
  thread.on('error', () => {
    // Without a heartbeat, others will expire the lease: report it at once.
    broken = true;
    options.onBroken();
  });

  return {
    setDeadline: (monotonic) => void (times[0] = monotonic),
    get broken() {
      return broken;
    },
    silence: () => silenceSince({ monotonic: times[1]!, wall: times[2]! }, now()),
    stop: async () => void (await thread.terminate()),
  };
};
