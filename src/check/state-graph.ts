/** The graph of all worlds that were found: the worlds, in that order, and which leads to which. */

const INITIAL_CAPACITY_WORLDS = 1 << 12;

/**
 * The worlds, and a hash table with open addressing to find them by content. Worlds are stored whole, 16 bits per instance, and
 * compared whole: equal hashes never make two worlds one.
 */
export class StateTable {
  readonly width: number;
  size = 0;
  #worlds: Uint16Array;
  #parents: Uint32Array = new Uint32Array(INITIAL_CAPACITY_WORLDS);
  /** Index + 1; 0 is free. Invariant: at most half are in use. */
  #slots: Uint32Array = new Uint32Array(2 * INITIAL_CAPACITY_WORLDS);

  constructor(width: number) {
    this.width = width;
    this.#worlds = new Uint16Array(width * INITIAL_CAPACITY_WORLDS);
  }

  get bytes(): number {
    return this.#worlds.byteLength + this.#parents.byteLength + this.#slots.byteLength;
  }

  /** Returns the world's index: the previous `size` if it is new. */
  add(world: Uint16Array, parent: number): number {
    const slot = this.#slotOf(world);
    const index = this.#slots[slot]! - 1;
    if (index >= 0) return index;
    const added = this.size;
    if (added === this.#parents.length) this.#grow();
    const from = added * this.width;
    for (let at = 0; at < this.width; at += 1) this.#worlds[from + at] = world[at]!;
    this.#parents[added] = parent;
    this.size += 1;
    if (2 * this.size > this.#slots.length) this.#rehash();
    else this.#slots[slot] = added + 1;
    return added;
  }

  /** −1 if the world is not in the table. */
  find(world: Uint16Array): number {
    return this.#slots[this.#slotOf(world)]! - 1;
  }

  read(index: number, into: Uint16Array): void {
    const from = index * this.width;
    for (let at = 0; at < this.width; at += 1) into[at] = this.#worlds[from + at]!;
  }

  /** The world from which this one was found; the first world is its own parent. */
  parent(index: number): number {
    return this.#parents[index]!;
  }

  /** The world's slot, or the free one for it. */
  #slotOf(world: Uint16Array): number {
    const slots = this.#slots;
    const worlds = this.#worlds;
    const width = this.width;
    const mask = slots.length - 1;
    let slot = hash(world, width) & mask;
    for (;;) {
      const index = slots[slot]! - 1;
      if (index < 0) return slot;
      const from = index * width;
      let at = 0;
      while (at < width && worlds[from + at] === world[at]) at += 1;
      if (at === width) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const worlds = new Uint16Array(2 * this.#worlds.length);
    worlds.set(this.#worlds);
    this.#worlds = worlds;
    const parents = new Uint32Array(2 * this.#parents.length);
    parents.set(this.#parents);
    this.#parents = parents;
  }

  #rehash(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    const world = new Uint16Array(this.width);
    for (let index = 0; index < this.size; index += 1) {
      this.read(index, world);
      let slot = hash(world, this.width) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

function hash(world: Uint16Array, width: number): number {
  let sum = 0x9e3779b9;
  for (let at = 0; at < width; at += 1) {
    sum = Math.imul(sum ^ world[at]!, 0x85ebca6b);
    sum ^= sum >>> 13;
  }
  sum = Math.imul(sum, 0xc2b2ae35);
  return (sum ^ (sum >>> 16)) >>> 0;
}

const CHUNK_BITS = 20;
const CHUNK_LENGTH = 1 << CHUNK_BITS;
/** Marks a transition taken by an input. Invariant: there are fewer worlds than this. */
const INPUT_FLAG = 0x80000000;

/** One array with the successors of each world, in the order of the worlds. */
export class TransitionGraph {
  readonly #chunks: Uint32Array[] = [];
  readonly #ends: Uint32Array[] = [];
  #worlds = 0;
  #size = 0;

  get bytes(): number {
    return 4 * CHUNK_LENGTH * (this.#chunks.length + this.#ends.length);
  }

  add(to: number, isInput: boolean): void {
    const at = this.#size;
    if ((at & (CHUNK_LENGTH - 1)) === 0) this.#chunks.push(new Uint32Array(CHUNK_LENGTH));
    this.#chunks[at >>> CHUNK_BITS]![at & (CHUNK_LENGTH - 1)] = isInput ? to | INPUT_FLAG : to;
    this.#size += 1;
  }

  /** Ends the successors of the current world: those added next belong to the next world. */
  endWorld(): void {
    const at = this.#worlds;
    if ((at & (CHUNK_LENGTH - 1)) === 0) this.#ends.push(new Uint32Array(CHUNK_LENGTH));
    this.#ends[at >>> CHUNK_BITS]![at & (CHUNK_LENGTH - 1)] = this.#size;
    this.#worlds += 1;
  }

  /** Whether the world has a marked successor. */
  leadsTo(world: number, marks: Uint8Array, withInputs: boolean): boolean {
    const end = this.#endOf(world);
    for (let at = world === 0 ? 0 : this.#endOf(world - 1); at < end; at += 1) {
      const edge = this.#chunks[at >>> CHUNK_BITS]![at & (CHUNK_LENGTH - 1)]!;
      const isInput = edge >= INPUT_FLAG;
      if (isInput && !withInputs) continue;
      if (marks[isInput ? edge - INPUT_FLAG : edge] === 1) return true;
    }
    return false;
  }

  #endOf(world: number): number {
    return this.#ends[world >>> CHUNK_BITS]![world & (CHUNK_LENGTH - 1)]!;
  }
}
