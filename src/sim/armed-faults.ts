/** Faults that wait for a process's next operation on a directory of the volume. */
import { dirname, join } from 'node:path/posix';
import type { Fault, Method } from './faults.ts';
import { MOUNT } from './process-options.ts';

export class ArmedFaults {
  #ambush: string | undefined;
  #blackout: string | undefined;
  #isDark = false;
  #freeze: Freeze | undefined;

  /** The process crashes right after its next link into `place`. */
  ambush(place: string): void {
    this.#ambush = join(MOUNT, place);
  }

  /** The power fails right after its next link into `place`, before its next operation. */
  blackout(place: string): void {
    this.#blackout = join(MOUNT, place);
  }

  /** The process is stopped right before that operation, for `ms` but not beyond `until`, and does it then. */
  freeze({ place, ...rest }: Freeze): void {
    this.#freeze = { ...rest, place: join(MOUNT, place) };
  }

  clear(): void {
    this.#ambush = undefined;
    this.#blackout = undefined;
    this.#isDark = false;
    this.#freeze = undefined;
  }

  /** The fault for this operation; `slow` means that the process is stopped for `delay`. */
  fire(method: Method, path: string, now: number): Fault | undefined {
    if (this.#isDark) return { kind: 'power' };
    if (method !== 'link' && method !== 'sync') return undefined;
    const directory = method === 'link' ? dirname(path) : path;
    if (method === 'link' && directory === this.#ambush) return { kind: 'crash-after' };
    this.#isDark = method === 'link' && directory === this.#blackout;
    const freeze = this.#freeze;
    if (method !== freeze?.before || directory !== freeze.place) return undefined;
    this.#freeze = undefined;
    return { kind: 'slow', delay: Math.max(0, Math.min(freeze.ms, freeze.until - now)) };
  }
}

export interface Freeze {
  /** Before a link into the directory, or a sync of it. */
  readonly before: 'link' | 'sync';
  readonly place: string;
  readonly ms: number;
  readonly until: number;
}
