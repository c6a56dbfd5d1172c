/** Every world that can be reached, breadth first: whatever is found first is found by a shortest way. */
import { unread, type Reads } from './reads.ts';
import type { Claim } from './composition.ts';
import { Edges } from './edges.ts';
import type { Bound, Finding, Progress } from './findings.ts';
import type { Fault, Model, Step } from './model.ts';
import { Store } from './store.ts';
import { Successors } from './successors.ts';
import { normalise } from './symmetry.ts';

/** Worlds between two reports. */
const REPORT = 1 << 15;

/** Something found, before its trace is known. */
export interface Hit {
  readonly kind: Finding['kind'];
  readonly message: string;
  /** The world, or the one in which the last step is taken. */
  readonly at: number;
  readonly last: ((step: Step) => boolean) | undefined;
}

export interface Explored {
  readonly store: Store;
  readonly edges: Edges;
  readonly hits: Hit[];
  readonly bound: Bound | undefined;
  readonly transitions: number;
  readonly together: number;
  readonly depth: number;
  /** Whether nothing more can happen in some world in which somebody is not at an end. */
  readonly stuck: number | undefined;
}

export function* explore(
  model: Model,
  { maxStates }: { maxStates: number },
): Generator<Progress, Explored> {
  const { claims, symmetric } = model.composition;
  const ranks = model.groups.map(({ rank }) => rank);
  const store = new Store(model.width);
  const edges = new Edges();
  const successors = new Successors(model);
  const hits = new Hits(model, claims);
  let [transitions, together, depth, lastOfDepth] = [0, 0, 0, 0];
  let stuck: number | undefined;
  let at = 0;
  let isFull = false;
  const world = new Uint16Array(model.width);
  const start = model.start();
  normalise(start, symmetric, ranks);
  store.add(start, 0);
  hits.world(start, 0);
  successors.onFault = (step) => hits.step(step, at);
  const visit = (after: Uint16Array, steps: readonly Step[]): boolean => {
    transitions += 1;
    if (steps.length > 1) together += 1;
    normalise(after, symmetric, ranks);
    const known = store.size;
    const index = store.add(after, at);
    if (index === known) hits.world(after, index);
    if (index !== at) edges.add(index, isFromOutside(steps));
    return false;
  };
  for (; at < store.size && !isFull; at += 1) {
    if (at > lastOfDepth) {
      depth += 1;
      lastOfDepth = store.size - 1;
    }
    if (at % REPORT === 0 && at > 0)
      yield { stage: 'exploring', states: store.size, transitions, left: store.size - at };
    store.read(at, world);
    const before = transitions;
    successors.each(world, visit);
    edges.endWorld();
    if (transitions === before && !isAtEnds(model, world)) stuck ??= at;
    isFull = store.size >= maxStates && at + 1 < store.size;
  }
  if (!isFull && !isIncomplete(hits.all)) hits.coverage();
  const bound = isFull ? 'max-states' : model.isOverfull ? 'queue' : undefined;
  return { store, edges, hits: hits.all, bound, transitions, together, depth, stuck };
}

/** Where somebody is missing, what else is wrong may follow from that. */
export function isIncomplete(hits: readonly Hit[]): boolean {
  return hits.some(({ kind }) => kind === 'no-sensor' || kind === 'no-instance');
}

function isFromOutside(steps: readonly Step[]): boolean {
  for (const { move } of steps) if (move.cause === 'input') return true;
  return false;
}

function isAtEnds(model: Model, world: Uint16Array): boolean {
  return model.parts.every(({ machine }, instance) => {
    const reading = model.groups[instance]!.readingOf[world[instance]!]!;
    return machine.kinds.get(model.readingAt(instance, reading).state) === 'terminal';
  });
}

/** The first of each kind and place. */
class Hits {
  readonly all: Hit[] = [];
  readonly #model: Model;
  readonly #readings: Int32Array;
  readonly #keys = new Set<string>();
  readonly #met = new Set<Step>();
  #unbroken: { claim: Claim; reads: Reads<boolean> }[];
  /** Of each instance, the configurations that were seen. */
  readonly #seen: boolean[][];

  constructor(model: Model, claims: readonly Claim[]) {
    this.#model = model;
    this.#readings = new Int32Array(model.width);
    this.#unbroken = claims
      .filter(({ kind }) => kind === 'never')
      .map((claim) => ({ claim, reads: unread() }));
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
          message: `${name} comes to ${state}, which it is said not to`,
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

  step(step: Step, at: number): void {
    if (this.#met.has(step)) return;
    this.#met.add(step);
    for (const fault of step.faults) {
      const last = (other: Step): boolean => other.faults.some((one) => isLike(one, fault));
      this.#add(keyOf(fault), { ...fault, at, last });
    }
  }

  /** What was never seen, when everything was. */
  coverage(): void {
    const model = this.#model;
    const told = new Set<string>();
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
        if (seen.has(state) || unreached.has(state) || told.has(key)) continue;
        told.add(key);
        const message = `${name} never comes to ${state}`;
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

function keyOf({ kind, message }: Fault): string {
  return `${kind} ${message}`;
}

function isLike(one: Fault, other: Fault): boolean {
  return keyOf(one) === keyOf(other);
}
