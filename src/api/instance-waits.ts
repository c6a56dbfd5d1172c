/**
 * Waits for instances: looks again and again, ever less often, and at once when the engine hints at a change of the instance. All
 * waits share one `watch`, which lasts as long as any of them.
 */
import type { ClientApi } from '../engine/engine.ts';
import { realClock } from './node-ports.ts';

/** Milliseconds between two looks: at first, and at most. */
const FIRST_LOOK_MS = 50;
const MAX_LOOK_MS = 1000;

interface Wait {
  readonly instance: string;
  /** Aborts at a hint that has come since the last look began. */
  wake: AbortController;
}

export class InstanceWaits {
  readonly #engine: Pick<ClientApi, 'watch'>;
  readonly #waits = new Set<Wait>();
  /** Ends the watch. */
  #stop: AbortController | undefined;

  constructor(engine: Pick<ClientApi, 'watch'>) {
    this.#engine = engine;
  }

  /** Resolves to what `look` finds. Rejects with the reason of `signal`. */
  async until<Value>(
    instance: string,
    look: () => Promise<Value | undefined>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Value> {
    const wait: Wait = { instance, wake: new AbortController() };
    this.#waits.add(wait);
    this.#stop ??= this.#watch();
    try {
      for (let pause = FIRST_LOOK_MS; ; pause = Math.min(2 * pause, MAX_LOOK_MS)) {
        signal.throwIfAborted();
        wait.wake = new AbortController();
        const found = await look();
        if (found !== undefined) return found;
        await realClock.sleep(pause, AbortSignal.any([signal, wait.wake.signal]));
      }
    } finally {
      this.#waits.delete(wait);
      if (this.#waits.size === 0) {
        this.#stop?.abort();
        this.#stop = undefined;
      }
    }
  }

  #watch(): AbortController {
    const stop = new AbortController();
    const wakeAll = async (): Promise<void> => {
      for await (const { instance } of this.#engine.watch(stop.signal)) {
        // Anything may have changed at any time: looks without a hint are for that.
        for (const wait of this.#waits) if (wait.instance === instance) wait.wake.abort();
      }
    };
    // An engine that cannot watch is looked at without hints.
    wakeAll().catch(() => undefined);
    return stop;
  }
}
