/**
 * Heartbeat: a separate thread rewrites the lease, so that a tick that blocks the event loop cannot starve it. It pauses while
 * a tick is past its deadline, so that a hung worker does not hold its states for ever. It ends when the lease is gone:
 * another session has expired it.
 */
import { Worker } from 'node:worker_threads';
import { readClocks, type ClockSample, type HostMoment } from './phases/volume-clock.ts';
import { NOT_A_FILE } from './atomic-files.ts';
import { errnoOf } from './files.ts';

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

const moment = (): HostMoment => readClocks(() => Number(process.hrtime.bigint()) / 1e6, Date.now);

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
  const started = moment();
  times[1] = started.monotonic;
  times[2] = started.wall;
  let broken = false;

  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const thread = new Worker(new URL(`../volume/heartbeat-thread${extension}`, import.meta.url), {
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
    silence: () => silenceSince({ monotonic: times[1]!, wall: times[2]! }, moment()),
    stop: async () => void (await thread.terminate()),
  };
};

/** Times are milliseconds. */
export interface PulsePorts {
  readonly now: () => number;
  readonly monotonic: () => number;
  /** Writes the lease in place; returns the mtime that the volume gave it. Throws like `Files.overwrite`. */
  rewrite(content: string): number;
}

/**
 * Milliseconds between two moments. A monotonic clock may stand still while its host sleeps, so the wall clock is read as
 * well: one that was set forwards only makes a session more careful.
 */
export function silenceSince(began: HostMoment, now: HostMoment): number {
  return Math.max(now.monotonic - began.monotonic, now.wall - began.wall);
}

export type Beat =
  /** `began`: before the write. */
  | { readonly kind: 'beat'; readonly began: HostMoment; readonly sample: ClockSample }
  /** A tick is past its deadline, or the write failed: the lease was not renewed. */
  | { readonly kind: 'silent' }
  /** Another session has removed the lease. */
  | { readonly kind: 'broken' };

const LEASE_GONE_ERRNOS = ['ENOENT', ...NOT_A_FILE];

/** One beat of a session's lease after the other: the heartbeat thread runs `beat` at every interval. */
export class Pulse {
  readonly #ports: PulsePorts;
  #counter: number;

  constructor(ports: PulsePorts, counter: number) {
    this.#ports = ports;
    this.#counter = counter;
  }

  /** `deadline`: on the monotonic clock; a hung worker must not hold its states for ever. */
  beat(deadline: number): Beat {
    const ports = this.#ports;
    const now = (): HostMoment => readClocks(ports.monotonic, ports.now);
    const began = now();
    if (began.monotonic > deadline) return { kind: 'silent' };
    try {
      const before = Math.floor(ports.now());
      const mtime = ports.rewrite(formatCounter((this.#counter += 1)));
      const { wall, monotonic } = now();
      const sample = { before, after: Math.floor(wall) + 1, mtime, monotonic };
      return { kind: 'beat', began, sample };
    } catch (error) {
      // Only a lease that is gone or replaced ends the session; a failing volume may come back.
      return { kind: LEASE_GONE_ERRNOS.includes(errnoOf(error) ?? '') ? 'broken' : 'silent' };
    }
  }
}

export const COUNTER_BYTES = 16;

/** The content of a lease, of fixed width: rewriting it in place never leaves a mixture. */
export function formatCounter(counter: number): string {
  return `${String(counter).padStart(15, '0')}\n`;
}

/** Undefined for content that is not a counter. */
export function parseCounter(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{15}\n$/.test(text) ? Number(text) : undefined;
}
