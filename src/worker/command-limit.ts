/**
 * Limit of commands that run at a time: as many as there are file descriptors for, and fewer for a while after the system
 * has refused to start one. Commands that find no room wait, first come, first served.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** For how long a refusal lowers the limit. */
const REFUSAL_MS = 30_000;
/** New limit after a refusal, as a part of the commands that ran then: the worker itself needs some resources. */
const PART_AFTER_REFUSAL = 0.75;
/** A command that waits for room tries again so often. */
const RETRY_START_MS = 250;

/** Errors that may pass, with the name of the limit that was reached. */
export const SYSTEM_LIMITS: Readonly<Record<string, string>> = {
  EMFILE: 'open files of this process (ulimit -n)',
  ENFILE: 'open files of this system (fs.file-max)',
  EAGAIN: 'processes (ulimit -u, or the pids limit of the container)',
  ENOMEM: 'memory',
  ENOSPC: 'space for temporary files (TMPDIR)',
  EDQUOT: 'space for temporary files (TMPDIR)',
};

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

/** Waits until another command has left, the worker stops, or it is time to try again. */
export function room(limit: CommandLimit, workerSignal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const goOn = (): void => {
      clearTimeout(timer);
      stopWaiting();
      workerSignal.removeEventListener('abort', goOn);
      resolve();
    };
    const timer = setTimeout(goOn, RETRY_START_MS);
    const stopWaiting = limit.wait(goOn);
    workerSignal.addEventListener('abort', goOn, { once: true });
  });
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
