/** Ways to wait: a timer, a sleep, a call of `take`, a reader of `watch`. Each ends early by a signal. */
import type { Clock } from './ports.ts';
import type { Task } from './session.ts';
import type { ChangeHint } from './engine.ts';

/** A timer that is set again and again: the earliest of its times counts. */
export class Alarm {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #at = Number.POSITIVE_INFINITY;
  #sleep: AbortController | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** `at`: monotonic, ms. Infinite: never. Calls `onDue` later, never at once. */
  set(at: number): void {
    if (at >= this.#at) return;
    this.clear();
    this.#at = at;
    const sleep = new AbortController();
    this.#sleep = sleep;
    const ms = Math.max(1, at - this.#clock.monotonic());
    void this.#clock.sleep(ms, sleep.signal).then(() => {
      if (sleep.signal.aborted) return undefined;
      this.clear();
      return this.#onDue();
    });
  }

  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
    // With a reason: without one each abort makes an exception, with its stack.
    this.#sleep?.abort('cleared');
    this.#sleep = undefined;
  }
}

const AWAKE = 'awake';

/** A sleep that a signal ends early if there is a reason to. */
export class Wakeup {
  readonly #clock: Clock;
  #wake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  signal(): void {
    // Without a reason of our own, each abort creates an exception with its stack.
    this.#wake.abort(AWAKE);
  }

  /** Sleeps for `ms`, or until a signal finds that `until` holds; not at all if it holds already. */
  async sleep(ms: number, until: () => boolean): Promise<void> {
    const end = this.#clock.monotonic() + ms;
    for (;;) {
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      const left = end - this.#clock.monotonic();
      if (until() || left <= 0) return;
      await this.#clock.sleep(left, this.#wake.signal);
    }
  }
}

type Taken = readonly Task[] | 'drained';

interface Waiting {
  readonly limit: number;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: Error) => void;
}

/** A call of `take` that waits for tasks: one at a time. */
export class PendingTake {
  readonly #onEnded: () => void;
  #waiting: Waiting | undefined;

  /** `onEnded`: called when a call has its answer, before its caller is told. */
  constructor(onEnded: () => void = () => undefined) {
    this.#onEnded = onEnded;
  }

  /** Tasks that need a slot and that it would take; undefined if no call waits. */
  get limit(): number | undefined {
    return this.#waiting?.limit;
  }

  /** Resolves by `answer`, or to none when `signal` aborts. */
  wait(limit: number, signal: AbortSignal): Promise<Taken> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        signal.removeEventListener('abort', onAbort);
        this.#waiting = undefined;
        this.#onEnded();
      };
      const onAbort = (): void => this.answer([]);
      signal.addEventListener('abort', onAbort);
      this.#waiting = {
        limit,
        resolve: (taken) => {
          end();
          resolve(taken);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
    });
  }

  answer(taken: Taken): void {
    this.#waiting?.resolve(taken);
  }

  fail(error: Error): void {
    this.#waiting?.reject(error);
  }
}

/** With more, there is one hint that anything may have changed. */
const MAX_GATHERED_HINTS = 256;

/** `instance`: undefined for anything. */
export type NoteChange = (instance?: string) => void;

/** Calls `note` for each change until the function that it resolves to is called. */
export type Subscribe = (note: NoteChange) => Promise<() => unknown>;

/**
 * The hints of `watch`, gathered until they are asked for. Subscribes with the first `next()`, and unsubscribes when it ends: by
 * `signal`, or when its reader leaves the loop.
 */
export async function* hintsOf(
  subscribe: Subscribe,
  signal: AbortSignal,
): AsyncGenerator<ChangeHint, void> {
  if (signal.aborted) return;
  const gathered = new Set<string | undefined>();
  let wake = Promise.withResolvers<void>();
  const unsubscribe = await subscribe((instance) => {
    gathered.add(gathered.size < MAX_GATHERED_HINTS ? instance : undefined);
    wake.resolve();
  });
  let unsubscribed: Promise<unknown> | undefined;
  const end = async (): Promise<unknown> => (unsubscribed ??= Promise.resolve(unsubscribe()));
  // At once: a reader that has aborted need not ask again.
  const onAbort = (): void => {
    // The reader is told by the next call.
    end().catch(() => undefined);
    wake.resolve();
  };
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      if (gathered.size === 0) await wake.promise;
      wake = Promise.withResolvers<void>();
      const hints = [...gathered];
      gathered.clear();
      for (const instance of hints.includes(undefined) ? [undefined] : hints) {
        if (signal.aborted) return;
        yield instance === undefined ? {} : { instance };
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    await end();
  }
}
