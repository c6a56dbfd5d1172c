/** What is to happen to a process at its next link into a directory. */
import type { Fault, Method } from './faults.ts';
import { MOUNT } from './process-options.ts';

export class Traps {
  #ambush: string | undefined;
  #freeze: { readonly place: string; readonly ms: number } | undefined;

  /** It dies right after it. */
  ambush(place: string): void {
    this.#ambush = `${MOUNT}/${place}/`;
  }

  /** It is stopped right before it, for so long. */
  freeze(place: string, ms: number): void {
    this.#freeze = { place: `${MOUNT}/${place}/`, ms };
  }

  clear(): void {
    this.#ambush = undefined;
    this.#freeze = undefined;
  }

  /** The fault that this operation meets; `slow` for as long as its process is to be stopped. */
  spring(method: Method, path: string): Fault | undefined {
    if (method !== 'link') return undefined;
    if (this.#ambush !== undefined && path.startsWith(this.#ambush)) return { kind: 'crash-after' };
    const freeze = this.#freeze;
    if (freeze === undefined || !path.startsWith(freeze.place)) return undefined;
    this.#freeze = undefined;
    return { kind: 'slow', delay: freeze.ms };
  }
}
