/** Counters and times that worker processes of other systems report a few times a second. */

export interface Count {
  readonly finished: number;
  /** ms since the epoch; 0 for none yet. */
  readonly first: number;
  readonly last: number;
}

export type Message = 'ready' | Count;

const REPORT_INTERVAL_MS = 50;

function send(message: Message): void {
  process.send!(message);
}

/** In the worker process. */
export class Tally {
  #finished = 0;
  #first = 0;
  #last = 0;
  #said = '';

  /** Ends the process when the benchmark is gone. */
  constructor() {
    process.once('disconnect', () => process.exit());
    setInterval(() => this.#say(), REPORT_INTERVAL_MS);
  }

  /** The worker waits for jobs. */
  ready(): void {
    send('ready');
  }

  begin(): void {
    if (this.#first !== 0) return;
    this.#first = Date.now();
  }

  finish(count = 1): void {
    this.#finished += count;
    this.#last = Date.now();
  }

  #say(): void {
    const count: Count = { finished: this.#finished, first: this.#first, last: this.#last };
    const text = JSON.stringify(count);
    if (text !== this.#said) send(count);
    this.#said = text;
  }
}
