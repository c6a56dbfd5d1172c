/** Which world leads to which: one array with the successors of each world, in the order of the worlds. */
import type { Claim } from './composition.ts';
import type { Progress } from './findings.ts';
import type { Model } from './model.ts';
import { emptyTree } from './decision-tree.ts';
import type { StateTable } from './state-table.ts';

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

/** The first world, in the order of the table, from which the goal cannot be reached; undefined if there is none. */
export function* findLost(
  model: Model,
  table: StateTable,
  graph: TransitionGraph,
  goal: Claim,
): Generator<Progress, number | undefined> {
  const withInputs = goal.kind === 'possible';
  const isGood = new Uint8Array(table.size);
  let left = table.size - markGoal(model, table, goal, isGood);
  // Backward and forward in turn: most predecessors of a world were found before it, some after it.
  for (let isForward = false, added = 1; added > 0 && left > 0; isForward = !isForward) {
    yield { stage: 'goals', states: table.size, transitions: 0, left };
    added = 0;
    for (let count = 0; count < table.size; count += 1) {
      const at = isForward ? count : table.size - 1 - count;
      if (isGood[at] === 1 || !graph.leadsTo(at, isGood, withInputs)) continue;
      isGood[at] = 1;
      added += 1;
    }
    left -= added;
  }
  return left === 0 ? undefined : isGood.indexOf(0);
}

function markGoal(model: Model, table: StateTable, goal: Claim, isGood: Uint8Array): number {
  const reads = emptyTree<boolean>();
  const readings = new Int32Array(model.width);
  const world = new Uint16Array(model.width);
  let marked = 0;
  for (let at = 0; at < table.size; at += 1) {
    table.read(at, world);
    model.readings(world, readings);
    if (!model.test(goal, reads, readings)) continue;
    isGood[at] = 1;
    marked += 1;
  }
  return marked;
}
