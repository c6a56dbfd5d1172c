/** How a worker process of another system says what it did: counts a few times a second, and moments. */

export interface Count {
  readonly finished: number;
  /** ms since the epoch; 0 for none yet. */
  readonly first: number;
  readonly last: number;
}

export type Message = 'ready' | Count;

const SAY_EVERY = 50;

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
    setInterval(() => this.#say(), SAY_EVERY);
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
