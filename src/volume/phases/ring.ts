/**
 * The available states on a ring, by the hash of their instance: the order that all workers use. It is stored in a few flat
 * arrays, so that one long listing can serve many cycles.
 */
import { invariant } from '../../machine/invariant.ts';
import { hash } from './hash.ts';
import { Names } from './names.ts';
import { compareCodePoints } from '../../machine/name.ts';

export interface RingEntry {
  /** The state file's name. */
  readonly name: string;
  readonly instance: string;
  /** Sessions that do not know its machine. */
  readonly refusedBy?: readonly string[];
}

const NO_SESSIONS: readonly string[] = [];

export class Ring {
  readonly #names: Names;
  readonly #places: Uint32Array;
  /** 1 for removed names. */
  readonly #gone: Uint8Array;
  readonly #refused: ReadonlyMap<string, readonly string[]>;
  #size: number;

  private constructor(
    names: Names,
    places: Uint32Array,
    refused: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#names = names;
    this.#places = places;
    this.#gone = new Uint8Array(names.size);
    this.#refused = refused;
    this.#size = names.size;
  }

  static of(tasks: readonly RingEntry[]): Ring {
    const refused = new Map<string, readonly string[]>();
    for (const { name, refusedBy = NO_SESSIONS } of tasks) {
      if (refusedBy.length > 0) refused.set(name, refusedBy);
    }
    const names = Names.of(tasks.map(({ name }) => name));
    const places = Uint32Array.from(tasks, ({ instance }) => hash(instance));
    return Ring.from(names, places, refused);
  }

  /** `places[i]`: hash of the instance of `names[i]`. The ring does not depend on the order of the names. */
  static from(
    names: Names,
    places: Uint32Array,
    refused: ReadonlyMap<string, readonly string[]> = new Map(),
  ): Ring {
    const order = sortedOrder(names, places);
    return new Ring(
      names.select(order),
      order.map((index) => places[index]!),
      refused,
    );
  }

  /** Number of names on the ring. */
  get size(): number {
    return this.#size;
  }

  /** Names on the ring, in its order. */
  get names(): string[] {
    return [...this.#names].filter((_, index) => this.#gone[index] === 0);
  }

  refusedBy(name: string): readonly string[] {
    return this.#refused.size === 0 ? NO_SESSIONS : (this.#refused.get(name) ?? NO_SESSIONS);
  }

  /** Names that a session refused, in an order that all workers agree on. */
  get refused(): readonly string[] {
    return [...this.#refused.keys()].sort(compareCodePoints);
  }

  /** Undefined for a removed name. */
  nameAt(index: number): string | undefined {
    return this.#gone[index] === 0 ? this.#names.at(index) : undefined;
  }

  /** Is it on the ring, and has no session refused it? Only then does it belong to a slice. */
  isPlain(index: number): boolean {
    if (this.#gone[index] !== 0) return false;
    return this.#refused.size === 0 || !this.#refused.has(this.#names.at(index));
  }

  /** The hash of its instance. */
  placeAt(index: number): number {
    return this.#places[index]!;
  }

  remove(index: number): void {
    if (this.#gone[index] !== 0) return;
    this.#gone[index] = 1;
    this.#size -= 1;
    invariant(this.#size >= 0, 'I5: expected to remove a name from the ring once');
  }

  /** All indices, from the first place at or after `start`, once round. */
  *from(start: number): Generator<number> {
    const count = this.#names.size;
    const first = firstIndex(count, (index) => this.#places[index]! < start);
    for (let step = 0; step < count; step += 1) yield (first + step) % count;
  }
}

/** Indices sorted by place, then by name. Sorts 64-bit keys: the high half is the place, the low half the index. */
function sortedOrder(names: Names, places: Uint32Array): Uint32Array {
  const keys = new BigUint64Array(names.size);
  const halves = new Uint32Array(keys.buffer);
  const [low, high] = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? [0, 1] : [1, 0];
  for (let index = 0; index < names.size; index += 1) {
    halves[2 * index + low] = index;
    halves[2 * index + high] = places[index]!;
  }
  keys.sort();
  const order = new Uint32Array(names.size);
  for (let index = 0; index < order.length; index += 1) order[index] = halves[2 * index + low]!;
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && places[order[to]!] === places[order[from]!]) to += 1;
    if (to - from > 1) {
      order.subarray(from, to).sort((a, b) => names.compare(a, b));
    }
    from = to;
  }
  return order;
}

/** The first index below `count` for which `before` is false; `count` if there is none. `before` must be true, then false. */
export function firstIndex(count: number, before: (index: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (before(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
