/**
 * A packed list of names: length and UTF-8 bytes of each, one after the other. A million short names take some 25 MB, and are
 * two objects to the garbage collector; an array of strings would be a million objects, and twice as large.
 */

/** Bytes of a stored length. No file system has names that need more. */
const LENGTH_BYTES = 2;
/** Most bytes that a UTF-16 code unit takes. */
const BYTES_PER_UNIT = 3;
const NOT_FOUND = -1;

export class Names implements Iterable<string> {
  #bytes: Buffer = Buffer.allocUnsafe(0);
  #used = 0;
  #starts: Uint32Array = new Uint32Array();
  #size = 0;

  static of(names: Iterable<string>): Names {
    const packed = new Names();
    for (const name of names) packed.push(name);
    return packed;
  }

  get size(): number {
    return this.#size;
  }

  /** Well-formed strings only: a lone surrogate would be replaced. */
  push(name: string): void {
    const needed = this.#used + LENGTH_BYTES + BYTES_PER_UNIT * name.length;
    if (needed > this.#bytes.length) this.#growBytes(needed);
    if (this.#size === this.#starts.length) this.#growStarts();
    const length = this.#bytes.write(name, this.#used + LENGTH_BYTES);
    this.#bytes.writeUInt16LE(length, this.#used);
    this.#starts[this.#size] = this.#used;
    this.#size += 1;
    this.#used += LENGTH_BYTES + length;
  }

  at(index: number): string {
    const start = this.#starts[index]!;
    return this.#bytes.toString('utf8', start + LENGTH_BYTES, this.#end(start));
  }

  *[Symbol.iterator](): Generator<string, void> {
    for (let index = 0; index < this.#size; index += 1) yield this.at(index);
  }

  /** Compares two names by code points, like `compareCodePoints`: that is the order of UTF-8. */
  compare(one: number, other: number): number {
    const [a, b] = [this.#starts[one]!, this.#starts[other]!];
    const bytes = this.#bytes;
    return bytes.compare(bytes, b + LENGTH_BYTES, this.#end(b), a + LENGTH_BYTES, this.#end(a));
  }

  /** The names at `indices`, in that order. Shares the bytes. */
  select(indices: Uint32Array): Names {
    const selected = new Names();
    selected.#bytes = this.#bytes;
    // Full: a later `push` there must not overwrite one here.
    selected.#used = this.#bytes.length;
    selected.#starts = indices.map((index) => this.#starts[index]!);
    selected.#size = indices.length;
    return selected;
  }

  /** The names that are not among the others, in their order. */
  without(others: Names): Names {
    const places = this.placesIn(others);
    const left = new Uint32Array(this.#size);
    let count = 0;
    for (let index = 0; index < this.#size; index += 1) {
      if (places[index] !== NOT_FOUND) continue;
      left[count] = index;
      count += 1;
    }
    return this.select(left.subarray(0, count));
  }

  /** For each name, its index among the others; −1 if it is not there. */
  placesIn(others: Names): Int32Array {
    const places = new Int32Array(this.#size).fill(NOT_FOUND);
    if (others.#size === 0) return places;
    const slots = others.#hashed();
    for (let index = 0; index < this.#size; index += 1) {
      places[index] = others.#find(this.#bytes, this.#starts[index]!, slots);
    }
    return places;
  }

  /** A hash table of indices, each plus one: 0 is an empty slot. At most half of them are used. */
  #hashed(): Uint32Array {
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * this.#size)));
    for (let index = 0; index < this.#size; index += 1) {
      let slot = hashAt(this.#bytes, this.#starts[index]!) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = index + 1;
    }
    return slots;
  }

  /** Index of the name that starts at `start` in `bytes`. */
  #find(bytes: Buffer, start: number, slots: Uint32Array): number {
    let slot = hashAt(bytes, start) & (slots.length - 1);
    for (; slots[slot] !== 0; slot = (slot + 1) & (slots.length - 1)) {
      const index = slots[slot]! - 1;
      if (isSame(this.#bytes, this.#starts[index]!, bytes, start)) return index;
    }
    return NOT_FOUND;
  }

  #end(start: number): number {
    return endAt(this.#bytes, start);
  }

  #growBytes(least: number): void {
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, least));
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }

  #growStarts(): void {
    const larger = new Uint32Array(Math.max(16, 2 * this.#starts.length));
    larger.set(this.#starts);
    this.#starts = larger;
  }
}

function endAt(bytes: Buffer, start: number): number {
  return start + LENGTH_BYTES + (bytes[start]! | (bytes[start + 1]! << 8));
}

/** FNV-1a of length and bytes. */
function hashAt(bytes: Buffer, start: number): number {
  const end = endAt(bytes, start);
  let state = 0x811c9dc5;
  for (let at = start; at < end; at += 1) state = Math.imul(state ^ bytes[at]!, 0x01000193);
  return state >>> 0;
}

/** Compares the lengths too: they are the first bytes. */
function isSame(one: Buffer, from: number, other: Buffer, start: number): boolean {
  const length = endAt(one, from) - from;
  for (let at = 0; at < length; at += 1) if (one[from + at] !== other[start + at]) return false;
  return true;
}
