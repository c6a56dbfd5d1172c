/** Whether from every world a goal can still be reached: backwards from those where it is, until nothing is added. */
import type { Claim } from './composition.ts';
import type { Edges } from './edges.ts';
import type { Progress } from './findings.ts';
import type { Model } from './model.ts';
import { unread } from './reads.ts';
import type { Store } from './store.ts';

/** The first world, in the order of the store, from which there is no way to the goal; or undefined. */
export function* findLost(
  model: Model,
  store: Store,
  edges: Edges,
  goal: Claim,
): Generator<Progress, number | undefined> {
  const withInputs = goal.kind === 'possible';
  const isGood = new Uint8Array(store.size);
  let left = store.size - markGoal(model, store, goal, isGood);
  // To and fro: most of what leads somewhere was found before it, and some of it after.
  for (let isForward = false, added = 1; added > 0 && left > 0; isForward = !isForward) {
    yield { stage: 'goals', states: store.size, transitions: 0, left };
    added = 0;
    for (let count = 0; count < store.size; count += 1) {
      const at = isForward ? count : store.size - 1 - count;
      if (isGood[at] === 1 || !edges.leadsTo(at, isGood, withInputs)) continue;
      isGood[at] = 1;
      added += 1;
    }
    left -= added;
  }
  return left === 0 ? undefined : isGood.indexOf(0);
}

function markGoal(model: Model, store: Store, goal: Claim, isGood: Uint8Array): number {
  const reads = unread<boolean>();
  const readings = new Int32Array(model.width);
  const world = new Uint16Array(model.width);
  let marked = 0;
  for (let at = 0; at < store.size; at += 1) {
    store.read(at, world);
    model.readings(world, readings);
    if (!model.test(goal, reads, readings)) continue;
    isGood[at] = 1;
    marked += 1;
  }
  return marked;
}
