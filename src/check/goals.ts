/** Reachability of a goal from every world: marks the worlds at the goal, then their predecessors, to a fixed point. */
import type { Claim } from './composition.ts';
import type { TransitionGraph } from './transition-graph.ts';
import type { Progress } from './findings.ts';
import type { Model } from './model.ts';
import { emptyTree } from './decision-tree.ts';
import type { StateTable } from './state-table.ts';

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
