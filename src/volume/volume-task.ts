/** A task as a volume hands it out. */
import type { Task } from '../engine/session.ts';
import type { ClaimedTask } from './claimed-task.ts';

export type Observed = Pick<Task, 'observe' | 'history'>;

export class VolumeTask implements Task {
  readonly name: string;
  readonly session: string;
  readonly file: Task['file'];
  readonly attempts: Task['attempts'];
  readonly events: Task['events'];
  readonly asOf: number;
  readonly observe: Task['observe'];
  readonly history: Task['history'];
  #controller: AbortController | undefined;
  #isAborted = false;

  /** `asOf`: the cycle. */
  constructor(
    { name, read }: ClaimedTask,
    session: string,
    asOf: number,
    { observe, history }: Observed,
  ) {
    const { file, attempts, events } = read!;
    this.name = name;
    this.session = session;
    this.file = file;
    this.attempts = attempts;
    this.events = events;
    this.asOf = asOf;
    this.observe = observe;
    this.history = history;
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
}
