/** A task as a volume hands it out: the inputs of a decision, and what has become of it since. */
import type { PastStep } from '../machine/definition.ts';
import type { StateFile } from '../machine/state-file.ts';
import type { Settled, Task } from '../engine/session.ts';
import type { ClaimedTask } from './claimed-task.ts';

/** What a task reads when it is asked. */
export interface TaskReader {
  /** The cycle in which other instances were read last. */
  readonly seen: number;
  observe(instance: string): StateFile | undefined;
  history(name: string): Promise<readonly PastStep[]>;
}

type OnSettled = (settled: Settled) => void;

export class VolumeTask implements Task {
  readonly claimed: ClaimedTask;
  readonly session: string;
  readonly asOf: number;
  /** Monotonic, ms: when it was handed out. */
  readonly began: number;
  /** Monotonic, ms: when the worker promises an outcome. */
  deadline: number = Number.POSITIVE_INFINITY;
  /** The cycle in which other instances were read that it has observed. */
  observedIn: number | undefined;
  readonly #reader: TaskReader;
  #controller: AbortController | undefined;
  #isAborted = false;
  #settled: Settled | undefined;
  /** Undefined until it has an outcome: see `settle`. */
  #onSettled: OnSettled | undefined;

  /** `asOf`: the cycle. */
  constructor(
    claimed: ClaimedTask,
    session: string,
    asOf: number,
    began: number,
    reader: TaskReader,
  ) {
    this.claimed = claimed;
    this.session = session;
    this.asOf = asOf;
    this.began = began;
    this.#reader = reader;
  }

  get name(): string {
    return this.claimed.name;
  }

  get file(): Task['file'] {
    return this.claimed.read!.file;
  }

  get attempts(): Task['attempts'] {
    return this.claimed.read!.attempts;
  }

  get events(): Task['events'] {
    return this.claimed.read!.events;
  }

  observe(instance: string): StateFile | undefined {
    this.observedIn ??= this.#reader.seen;
    return this.#reader.observe(instance);
  }

  history(): Promise<readonly PastStep[]> {
    return this.#reader.history(this.name);
  }

  /** Made when it is first read: what is decided without a tick costs none. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort();
  }

  /**
   * Calls `onSettled` with the result, now or when there is one. False if it has an outcome already: a repeated settlement
   * has the result of the first.
   */
  settle(onSettled: OnSettled): boolean {
    const earlier = this.#onSettled;
    // Its tick has ended; thousands of tasks may wait for Update System.
    this.#controller = undefined;
    if (this.#settled !== undefined) {
      onSettled(this.#settled);
      return false;
    }
    this.#onSettled =
      earlier === undefined
        ? onSettled
        : (settled) => {
            earlier(settled);
            onSettled(settled);
          };
    return earlier === undefined;
  }

  tell(settled: Settled): void {
    if (this.#settled !== undefined) return;
    this.#settled = settled;
    this.#onSettled?.(settled);
    this.#onSettled = undefined;
  }
}
