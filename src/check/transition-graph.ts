/** Which world leads to which: one array with the successors of each world, in the order of the worlds. */

const CHUNK_BITS = 20;
const CHUNK_LENGTH = 1 << CHUNK_BITS;
/** Marks a transition taken by an input. Invariant: there are fewer worlds than this. */
const INPUT_FLAG = 0x80000000;

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
