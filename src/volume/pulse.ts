/** One beat of a session's lease: the heartbeat thread runs it at every interval. */
import type { ClockSample } from './phases/volume-clock.ts';
import { NOT_A_FILE } from './atomic-files.ts';
import { errnoOf } from './files.ts';

/** Times are milliseconds. */
export interface PulsePorts {
  now(): number;
  monotonic(): number;
  /** Writes the lease in place; returns the mtime that the volume gave it. Throws like `Files.overwrite`. */
  rewrite(content: string): number;
}

/** One moment, on both clocks of a host, ms. */
export interface HostMoment {
  readonly monotonic: number;
  readonly wall: number;
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
    const began = { monotonic: ports.monotonic(), wall: ports.now() };
    if (began.monotonic > deadline) return { kind: 'silent' };
    try {
      const before = Math.floor(ports.now());
      const mtime = ports.rewrite(formatCounter((this.#counter += 1)));
      const after = Math.floor(ports.now()) + 1;
      const sample = { before, after, mtime, monotonic: ports.monotonic() };
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
