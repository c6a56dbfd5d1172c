/**
 * The successors of a world. Problem: any set of instances may decide in one cycle, all on the same snapshot, and there
 * are too many sets. Idea: a set has the same result as its steps one after the other, each before those that it read.
 * Difficulty: the dependencies may have a cycle. So single steps are taken, and only those sets of steps of which each
 * depends, directly or through others, on each.
 */
import { permutations } from './symmetry.ts';
import type { Model, ModelStep } from './model.ts';

/**
 * May change `after`, and must not keep it; `steps` are in the order in which their events were sent. Returns true to
 * stop the search.
 */
export type Visit = (after: Uint16Array, steps: readonly ModelStep[]) => boolean;

export class Successors {
  readonly #model: Model;
  readonly #readings: Int32Array;
  readonly #altered: Int32Array;
  readonly #moved: Uint16Array;
  readonly #after: Uint16Array;
  readonly #single: ModelStep[] = [];
  /** By instance: its steps. */
  readonly #steps: (readonly ModelStep[])[];
  /** By instance: the previous one of its group; −1 for the first. */
  readonly #twins: Int32Array;
  /** By instance: its steps that may be part of a set. */
  readonly #candidates: ModelStep[][];
  readonly #chosen: ModelStep[] = [];
  /** By instance: the index of its chosen step; −1 for none. */
  readonly #ranks: Int32Array;
  /** Called for every faulty step, each time it occurs. */
  onFault: ((step: ModelStep) => void) | undefined;

  constructor(model: Model) {
    this.#model = model;
    this.#readings = new Int32Array(model.width);
    this.#altered = new Int32Array(model.width);
    this.#moved = new Uint16Array(model.width);
    this.#after = new Uint16Array(model.width);
    this.#steps = model.parts.map(() => []);
    this.#candidates = model.parts.map(() => []);
    this.#ranks = new Int32Array(model.width);
    this.#twins = new Int32Array(model.width).fill(-1);
    for (const group of model.composition.symmetric)
      group.forEach((member, at) => (this.#twins[member] = group[at - 1] ?? -1));
  }

  /** Calls `visit` for each successor. Returns true if that stopped the search. */
  each(world: Uint16Array, visit: Visit): boolean {
    const model = this.#model;
    const readings = this.#readings;
    model.readings(world, readings);
    for (let instance = 0; instance < model.width; instance += 1) {
      const configuration = world[instance]!;
      const { steps, faulty } = model.enabledMoves(instance, configuration, readings);
      this.#steps[instance] = steps;
      for (let at = 0; at < faulty.length; at += 1) this.onFault?.(faulty[at]!);
      const twin = this.#twins[instance]!;
      // An equal twin has taken the same steps: the results differ only in names.
      if (twin >= 0 && world[twin] === configuration) continue;
      for (let at = 0; at < steps.length; at += 1)
        if (this.#one(world, steps[at]!, visit)) return true;
    }
    return this.#findCandidates() && this.#choose(world, 0, visit);
  }

  /** One step of one instance: the hot path. */
  #one(world: Uint16Array, step: ModelStep, visit: Visit): boolean {
    const { instance, results } = step;
    const after = this.#after;
    this.#single[0] = step;
    for (let at = 0; at < results.length; at += 1) {
      for (let index = 0; index < world.length; index += 1) after[index] = world[index]!;
      after[instance] = results[at]!;
      if (this.#send(step.emits) && visit(after, this.#single)) return true;
    }
    return false;
  }

  /** False if a queue is full. */
  #send(emits: readonly number[]): boolean {
    const after = this.#after;
    for (let pair = 0; pair < emits.length; pair += 2) {
      const to = emits[pair]!;
      const received = this.#model.receive(to, after[to]!, emits[pair + 1]!);
      if (received < 0) return false;
      after[to] = received;
    }
    return true;
  }

  /** Applies the steps together. `sendOrder`: the same steps, in the order in which their events are sent. */
  #apply(
    world: Uint16Array,
    steps: readonly ModelStep[],
    sendOrder: readonly ModelStep[],
    visit: Visit,
    at = 0,
  ): boolean {
    const moved = this.#moved;
    if (at === 0) moved.set(world);
    const step = steps[at];
    if (step !== undefined) {
      return step.results.some((result) => {
        moved[step.instance] = result;
        return this.#apply(world, steps, sendOrder, visit, at + 1);
      });
    }
    const after = this.#after;
    after.set(moved);
    return sendOrder.every(({ emits }) => this.#send(emits)) && visit(after, sendOrder);
  }

  /**
   * Keeps, to a fixed point, the steps that read a candidate and are seen by one, or share an addressee with one.
   * False if fewer than two instances have any.
   */
  #findCandidates(): boolean {
    const width = this.#model.width;
    let active = 0;
    for (let instance = 0; instance < width; instance += 1) {
      const list = this.#candidates[instance]!;
      list.length = 0;
      for (const step of this.#steps[instance]!) {
        if (step.looked !== 0 || step.addressees !== 0) list.push(step);
      }
      if (list.length > 0) active |= 1 << instance;
    }
    for (;;) {
      let seen = 0;
      let addressed = 0;
      let addressedTwice = 0;
      for (let instance = 0; instance < width; instance += 1) {
        if ((active & (1 << instance)) === 0) continue;
        let addressees = 0;
        for (const step of this.#candidates[instance]!) {
          seen |= step.looked;
          addressees |= step.addressees;
        }
        addressedTwice |= addressed & addressees;
        addressed |= addressees;
      }
      let left = 0;
      for (let instance = 0; instance < width; instance += 1) {
        const bit = 1 << instance;
        if ((active & bit) === 0) continue;
        const list = this.#candidates[instance]!;
        let kept = 0;
        for (const step of list) {
          const shares = (step.addressees & addressedTwice) !== 0;
          const looks = (step.looked & active) !== 0;
          const isSeen = step.isVisible && (seen & bit) !== 0;
          if (shares || (looks && isSeen)) list[kept++] = step;
        }
        list.length = kept;
        if (kept > 0) left |= bit;
      }
      if (left === active) return (active & (active - 1)) !== 0;
      active = left;
    }
  }

  #choose(world: Uint16Array, instance: number, visit: Visit): boolean {
    const chosen = this.#chosen;
    if (instance === this.#model.width) {
      return chosen.length > 1 && isStronglyConnected(chosen) && this.#together(world, visit);
    }
    const ranks = this.#ranks;
    ranks[instance] = -1;
    if (this.#choose(world, instance + 1, visit)) return true;
    // Of equal twins, the earlier one takes the later step: other choices differ only in names.
    const twin = this.#twins[instance]!;
    const most = twin >= 0 && world[twin] === world[instance] ? ranks[twin]! : Infinity;
    for (const step of this.#candidates[instance]!) {
      const rank = this.#steps[instance]!.indexOf(step);
      if (rank > most) break;
      ranks[instance] = rank;
      chosen.push(step);
      const enough = this.#choose(world, instance + 1, visit);
      chosen.pop();
      if (enough) return true;
    }
    return false;
  }

  #together(world: Uint16Array, visit: Visit): boolean {
    const chosen = this.#chosen;
    const senders = chosen.filter((step, at) =>
      chosen.some((other, place) => place !== at && (step.addressees & other.addressees) !== 0),
    );
    if (senders.length === 0) {
      return !this.#canBeSplit(world) && this.#apply(world, chosen, chosen, visit);
    }
    const others = chosen.filter((step) => !senders.includes(step));
    return permutations(senders).some((order) =>
      this.#apply(world, chosen, [...order, ...others], visit),
    );
  }

  /** Whether one step may come last, or first, without changing any decision. */
  #canBeSplit(world: Uint16Array): boolean {
    const chosen = this.#chosen;
    const readings = this.#readings;
    const altered = this.#altered;
    altered.set(readings);
    for (const step of chosen) altered[step.instance] = this.#readingAfter(step);
    for (const last of chosen) {
      altered[last.instance] = readings[last.instance]!;
      if (this.#isStill(world, last)) return true;
      altered[last.instance] = this.#readingAfter(last);
    }
    altered.set(readings);
    for (const first of chosen) {
      altered[first.instance] = this.#readingAfter(first);
      if (this.#areStill(world, first)) return true;
      altered[first.instance] = readings[first.instance]!;
    }
    return false;
  }

  #readingAfter({ instance, results }: ModelStep): number {
    return this.#model.groups[instance]!.readingOf[results[0]!]!;
  }

  /** Whether the step has the same effect on the altered readings. */
  #isStill(world: Uint16Array, { instance, move, effect }: ModelStep): boolean {
    return this.#model.step(instance, world[instance]!, move, this.#altered).effect === effect;
  }

  #areStill(world: Uint16Array, first: ModelStep): boolean {
    for (const other of this.#chosen)
      if (other !== first && !this.#isStill(world, other)) return false;
    return true;
  }
}

/** Whether each step must precede each, directly or through others. */
function isStronglyConnected(steps: readonly ModelStep[]): boolean {
  return isReached(steps, mustPrecede) && isReached(steps, (one, other) => mustPrecede(other, one));
}

function mustPrecede(one: ModelStep, other: ModelStep): boolean {
  const looks = other.isVisible && (one.looked & (1 << other.instance)) !== 0;
  return looks || (one.addressees & other.addressees) !== 0;
}

/** Whether all steps are reached from the first. */
function isReached(
  steps: readonly ModelStep[],
  leads: (from: ModelStep, to: ModelStep) => boolean,
): boolean {
  let reached = 1;
  for (let grows = true; grows;) {
    grows = false;
    for (let from = 0; from < steps.length; from += 1) {
      if ((reached & (1 << from)) === 0) continue;
      for (let to = 0; to < steps.length; to += 1) {
        if ((reached & (1 << to)) !== 0 || !leads(steps[from]!, steps[to]!)) continue;
        reached |= 1 << to;
        grows = true;
      }
    }
  }
  return reached === (1 << steps.length) - 1;
}
