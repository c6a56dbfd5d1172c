/** A growing set of integers from 0 to 2^53, in the order they were added, each with its origin. */
export class NumberTable {
  length = 0;
  #values = new Float64Array(1 << 10);
  #origins = new Int32Array(1 << 10);
  /** Open addressing, at most half full; −1 is empty. */
  #slots = new Float64Array(1 << 11).fill(-1);

  at(index: number): number {
    return this.#values[index]!;
  }

  originOf(index: number): number {
    return this.#origins[index]!;
  }

  /** Whether it was new. */
  add(value: number, origin: number): boolean {
    const slot = this.#slotOf(value);
    if (this.#slots[slot] === value) return false;
    this.#slots[slot] = value;
    this.#values[this.length] = value;
    this.#origins[this.length] = origin;
    this.length += 1;
    if (this.length === this.#values.length) this.#grow();
    return true;
  }

  #slotOf(value: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const high = Math.floor(value / 2 ** 32);
    let slot = Math.imul((value >>> 0) ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & mask;
    while (slots[slot] !== -1 && slots[slot] !== value) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [values, origins] = [this.#values, this.#origins];
    this.#values = new Float64Array(values.length * 2);
    this.#values.set(values);
    this.#origins = new Int32Array(origins.length * 2);
    this.#origins.set(origins);
    this.#slots = new Float64Array(values.length * 4).fill(-1);
    for (const value of values) this.#slots[this.#slotOf(value)] = value;
  }
}
