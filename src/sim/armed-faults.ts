/** What is to happen to a process at what it does next to a directory of the volume. */
import { dirname, join } from 'node:path/posix';
import type { Fault, Method } from './faults.ts';
import { MOUNT } from './process-options.ts';

export class ArmedFaults {
  #ambush: string | undefined;
  #blackout: string | undefined;
  #isDark = false;
  #freeze: Freeze | undefined;

  /** It dies right after its next link there. */
  ambush(place: string): void {
    this.#ambush = join(MOUNT, place);
  }

  /** The power goes right after its next link there: before whatever it does then. */
  blackout(place: string): void {
    this.#blackout = join(MOUNT, place);
  }

  /** It is stopped right before that, for so long, and not beyond `until`: what it was about to do comes then. */
  freeze({ place, ...rest }: Freeze): void {
    this.#freeze = { ...rest, place: join(MOUNT, place) };
  }

  clear(): void {
    this.#ambush = undefined;
    this.#blackout = undefined;
    this.#isDark = false;
    this.#freeze = undefined;
  }

  /** The fault that this operation meets; `slow` for as long as its process is to be stopped. */
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
