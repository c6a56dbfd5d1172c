/**
 * Breadth-first search of all reachable worlds: the first trace to a world is a shortest one. Then, for each goal, whether it
 * can be reached from every world.
 */
import { emptyTree, type DecisionTree } from './rule-evaluator.ts';
import type { Claim } from './composition.ts';
import { TransitionGraph, StateTable } from './state-graph.ts';
import type { Bound, Finding, Progress } from './findings.ts';
import type { StepFault, Model, ModelStep } from './model.ts';
import { Successors } from './successors.ts';
import { normalise } from './symmetry.ts';

const PROGRESS_INTERVAL_WORLDS = 1 << 15;

/** A finding whose trace is not known yet. */
export interface Hit {
  readonly kind: Finding['kind'];
  readonly message: string;
  /** Index of the world in which it was found. */
  readonly at: number;
  /** Recognises the faulty step, which is taken in that world; undefined if the world itself is wrong. */
  readonly last: ((step: ModelStep) => boolean) | undefined;
}

export interface Explored {
  readonly table: StateTable;
  readonly graph: TransitionGraph;
  readonly hits: Hit[];
  readonly bound: Bound | undefined;
  readonly transitions: number;
  readonly together: number;
  readonly depth: number;
  /** Index of the first world without successors in which some instance is not in a terminal state. */
  readonly stuck: number | undefined;
}

export function* explore(
  model: Model,
  { maxStates }: { maxStates: number },
): Generator<Progress, Explored> {
  const { claims, symmetric } = model.composition;
  const ranks = model.groups.map(({ rank }) => rank);
  const table = new StateTable(model.width);
  const graph = new TransitionGraph();
  const successors = new Successors(model);
  const hits = new Hits(model, claims);
  let [transitions, together, depth, lastOfDepth] = [0, 0, 0, 0];
  let stuck: number | undefined;
  let at = 0;
  let isFull = false;
  const world = new Uint16Array(model.width);
  const start = model.start();
  normalise(start, symmetric, ranks);
  table.add(start, 0);
  hits.world(start, 0);
  successors.onFault = (step) => hits.step(step, at);
  const visit = (after: Uint16Array, steps: readonly ModelStep[]): boolean => {
    transitions += 1;
    if (steps.length > 1) together += 1;
    normalise(after, symmetric, ranks);
    const known = table.size;
    const index = table.add(after, at);
    if (index === known) hits.world(after, index);
    if (index !== at) graph.add(index, isFromOutside(steps));
    return false;
  };
  for (; at < table.size && !isFull; at += 1) {
    if (at > lastOfDepth) {
      depth += 1;
      lastOfDepth = table.size - 1;
    }
    if (at % PROGRESS_INTERVAL_WORLDS === 0 && at > 0)
      yield { stage: 'exploring', states: table.size, transitions, left: table.size - at };
    table.read(at, world);
    const before = transitions;
    successors.each(world, visit);
    graph.endWorld();
    if (transitions === before && !isAtEnds(model, world)) stuck ??= at;
    isFull = table.size >= maxStates && at + 1 < table.size;
  }
  if (!isFull && !isIncomplete(hits.all)) hits.coverage();
  const bound = isFull ? 'max-states' : model.isOverfull ? 'queue' : undefined;
  return { table, graph, hits: hits.all, bound, transitions, together, depth, stuck };
}

/** An instance is missing from the composition: other findings may only be consequences of that. */
export function isIncomplete(hits: readonly Hit[]): boolean {
  return hits.some(({ kind }) => kind === 'no-sensor' || kind === 'no-instance');
}

function isFromOutside(steps: readonly ModelStep[]): boolean {
  for (const { move } of steps) if (move.cause === 'input') return true;
  return false;
}

function isAtEnds(model: Model, world: Uint16Array): boolean {
  return model.parts.every(({ machine }, instance) => {
    const reading = model.groups[instance]!.readingOf[world[instance]!]!;
    return machine.kinds.get(model.readingAt(instance, reading).state) === 'terminal';
  });
}

/** Collects findings: the first of each kind and place. */
class Hits {
  readonly all: Hit[] = [];
  readonly #model: Model;
  readonly #readings: Int32Array;
  readonly #keys = new Set<string>();
  readonly #met = new Set<ModelStep>();
  #unbroken: { claim: Claim; reads: DecisionTree<boolean> }[];
  /** By instance and configuration. */
  readonly #seen: boolean[][];

  constructor(model: Model, claims: readonly Claim[]) {
    this.#model = model;
    this.#readings = new Int32Array(model.width);
    this.#unbroken = claims
      .filter(({ kind }) => kind === 'never')
      .map((claim) => ({ claim, reads: emptyTree() }));
    this.#seen = model.parts.map(() => []);
  }

  world(world: Uint16Array, at: number): void {
    const model = this.#model;
    for (let instance = 0; instance < model.width; instance += 1) {
      const seen = this.#seen[instance]!;
      const configuration = world[instance]!;
      if (seen[configuration]) continue;
      seen[configuration] = true;
      const { unreached, name } = model.parts[instance]!;
      const reading = model.groups[instance]!.readingOf[configuration]!;
      const { state } = model.readingAt(instance, reading);
      if (unreached.has(state))
        this.#add(`${name} ${state}`, {
          kind: 'reached',
          message: `${name} enters ${state}, which is listed in unreached`,
          at,
          last: undefined,
        });
    }
    if (this.#unbroken.length === 0) return;
    model.readings(world, this.#readings);
    let isBroken = false;
    for (const { claim, reads } of this.#unbroken) {
      if (!model.test(claim, reads, this.#readings)) continue;
      isBroken = true;
      this.#add(claim.name, {
        kind: 'broken-invariant',
        message: `never ${claim.name}`,
        at,
        last: undefined,
      });
    }
    if (isBroken)
      this.#unbroken = this.#unbroken.filter(({ claim }) => !this.#keys.has(claim.name));
  }

  step(step: ModelStep, at: number): void {
    if (this.#met.has(step)) return;
    this.#met.add(step);
    for (const fault of step.faults) {
      const last = (other: ModelStep): boolean => other.faults.some((one) => isLike(one, fault));
      this.#add(keyOf(fault), { ...fault, at, last });
    }
  }

  /** Reports unreachable states. Call it after a complete search. */
  coverage(): void {
    const model = this.#model;
    const reported = new Set<string>();
    model.parts.forEach(({ name, machine, unreached }, instance) => {
      const group = model.groups[instance]!;
      const seen = new Set<string>();
      model.groups.forEach((other, index) => {
        if (other !== group) return;
        this.#seen[index]!.forEach((isSeen, configuration) => {
          if (isSeen) seen.add(model.readingAt(instance, group.readingOf[configuration]!).state);
        });
      });
      for (const state of machine.kinds.keys()) {
        const key = `${model.groups.indexOf(group)} ${state}`;
        if (seen.has(state) || unreached.has(state) || reported.has(key)) continue;
        reported.add(key);
        const message = `${name} never enters ${state}`;
        this.all.push({ kind: 'unreachable', message, at: 0, last: undefined });
      }
    });
  }

  #add(key: string, hit: Hit): void {
    if (this.#keys.has(key)) return;
    this.#keys.add(key);
    this.all.push(hit);
  }
}

function keyOf({ kind, message }: StepFault): string {
  return `${kind} ${message}`;
}

function isLike(one: StepFault, other: StepFault): boolean {
  return keyOf(one) === keyOf(other);
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
