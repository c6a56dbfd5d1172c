/**
 * Limit of commands that run at a time: as many as there are file descriptors for, and fewer for a while after the system
 * has refused to start one. Commands that find no room wait, first come, first served.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** For how long a refusal lowers the limit. */
const REFUSAL_MS = 30_000;
/** New limit after a refusal, as a part of the commands that ran then: the worker itself needs some resources. */
const PART_AFTER_REFUSAL = 0.75;

export class CommandLimit {
  readonly #usual: number;
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #refused: { readonly max: number; readonly until: number } | undefined;

  /** `now`: the monotonic clock, ms. */
  constructor(usual: number, now: () => number) {
    this.#usual = usual;
    this.#now = now;
  }

  get max(): number {
    if (this.#refused !== undefined && this.#now() < this.#refused.until) return this.#refused.max;
    this.#refused = undefined;
    return this.#usual;
  }

  /** True if one more command may begin; it then counts as running. */
  enter(): boolean {
    if (this.#running >= this.max) return false;
    this.#running += 1;
    return true;
  }

  leave(): void {
    this.#running -= 1;
    this.#waiting.shift()?.();
  }

  /** The system could not start the command that has entered: it leaves, and the limit is lowered for a while. */
  refuse(): void {
    this.#running -= 1;
    const max = Math.max(1, Math.floor(this.#running * PART_AFTER_REFUSAL));
    this.#refused = { max, until: this.#now() + REFUSAL_MS };
  }

  /** Calls `onRoom` once, when another command has left. Returns a function that cancels it. */
  wait(onRoom: () => void): () => void {
    this.#waiting.push(onRoom);
    return () => {
      const index = this.#waiting.indexOf(onRoom);
      if (index !== -1) this.#waiting.splice(index, 1);
    };
  }
}

/** For files that the engine and the worker open. */
const RESERVED_DESCRIPTORS = 32;
/** Three pipes, and the input file while it is written. */
const DESCRIPTORS_PER_COMMAND = 4;

/** Infinity where the system does not tell: `CommandLimit` then adapts to its refusals. */
export function commandsByDescriptors(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const max = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
    const open = readdirSync('/proc/self/fd').length;
    return Math.max(1, Math.floor((max - open - RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_COMMAND));
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
