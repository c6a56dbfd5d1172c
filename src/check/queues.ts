/**
 * Queues of waiting events, as integers: equal queues have the same integer. Up to `repeats` equal events in a row are
 * counted; one more stands for any larger number of them.
 */

interface Run {
  readonly message: number;
  readonly count: number;
}

export const EMPTY_QUEUE = 0;

export class Queues {
  readonly #changes: number;
  readonly #repeats: number;
  readonly #numbers = new Map<string, number>([['', EMPTY_QUEUE]]);
  readonly #runs: (readonly Run[])[] = [[]];
  /** Some queue has had more than `repeats` equal events in a row. */
  isSaturated = false;

  constructor({ changes, repeats }: { changes: number; repeats: number }) {
    this.#changes = changes;
    this.#repeats = repeats;
  }

  /** The first message; undefined if the queue is empty. */
  front(queue: number): number | undefined {
    return this.#runs[queue]![0]?.message;
  }

  /** Undefined if the queue is full. */
  push(queue: number, message: number): number | undefined {
    const runs = this.#runs[queue]!;
    const last = runs.at(-1);
    if (last?.message !== message) {
      return runs.length === this.#changes
        ? undefined
        : this.#numberOf([...runs, { message, count: 1 }]);
    }
    if (last.count > this.#repeats) return queue;
    this.isSaturated ||= last.count === this.#repeats;
    return this.#numberOf([...runs.slice(0, -1), { message, count: last.count + 1 }]);
  }

  /** The possible queues without the first event: a saturated run may stay saturated or shrink to `repeats`. */
  pop(queue: number): readonly number[] {
    const [first, ...others] = this.#runs[queue]!;
    if (first === undefined) return [];
    const { message, count } = first;
    const less = this.#numberOf(count > 1 ? [{ message, count: count - 1 }, ...others] : others);
    return count > this.#repeats ? [less, queue] : [less];
  }

  #numberOf(runs: readonly Run[]): number {
    const key = runs.map(({ message, count }) => `${message}x${count}`).join();
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#runs.length);
    return this.#runs.push(runs) - 1;
  }
}
