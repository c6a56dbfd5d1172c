/** Virtual time: a priority queue of actions. Time jumps from one action to the next. */

interface Entry {
  readonly time: number;
  /** Entries for the same time run in the order in which they were made. */
  readonly order: number;
  act: (() => void) | undefined;
}

export class EventQueue {
  /** The true time, ms since the epoch; workers see only their host's clock. */
  now: number;
  /** Events so far. */
  events = 0;
  #order = 0;
  readonly #heap: Entry[] = [];

  constructor(start: number) {
    this.now = start;
  }

  /** Returns a function that cancels it. */
  at(time: number, act: () => void): () => void {
    const entry: Entry = { time: Math.max(time, this.now), order: (this.#order += 1), act };
    this.#push(entry);
    return () => (entry.act = undefined);
  }

  /** Runs until `isOver`, until the queue is empty, or until the time `limit`. */
  async run(isOver: () => boolean, limit: number = Number.POSITIVE_INFINITY): Promise<void> {
    await settled();
    while (!isOver()) {
      const next = this.#heap[0];
      if (next === undefined || next.time > limit) {
        this.now = Math.max(this.now, Math.min(limit, next?.time ?? this.now));
        return;
      }
      this.#pop();
      if (next.act === undefined) continue;
      this.now = next.time;
      this.events += 1;
      next.act();
      await settled();
    }
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, entry)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}

/** Node runs `nextTick` callbacks when no promise job is left: all code under test then waits for the queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
