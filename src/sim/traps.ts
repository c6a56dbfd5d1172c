/** What is to happen to a process at its next link into a directory. */
import type { Fault, Method } from './faults.ts';
import { MOUNT } from './process-options.ts';

export class Traps {
  #ambush: string | undefined;
  #freeze: { readonly place: string; readonly ms: number; readonly until: number } | undefined;

  /** It dies right after it. */
  ambush(place: string): void {
    this.#ambush = `${MOUNT}/${place}/`;
  }

  /** It is stopped right before it, for so long, and not beyond `until`: what it was about to do comes then. */
  freeze(place: string, ms: number, until: number): void {
    this.#freeze = { place: `${MOUNT}/${place}/`, ms, until };
  }

  clear(): void {
    this.#ambush = undefined;
    this.#freeze = undefined;
  }

  /** The fault that this operation meets; `slow` for as long as its process is to be stopped. */
  spring(method: Method, path: string, now: number): Fault | undefined {
    if (method !== 'link') return undefined;
    if (this.#ambush !== undefined && path.startsWith(this.#ambush)) return { kind: 'crash-after' };
    const freeze = this.#freeze;
    if (freeze === undefined || !path.startsWith(freeze.place)) return undefined;
    this.#freeze = undefined;
    return { kind: 'slow', delay: Math.max(0, Math.min(freeze.ms, freeze.until - now)) };
  }
}
