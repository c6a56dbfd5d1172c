/**
 * Every state that workers and reapers can get a volume into, with any order of steps, crashes and false replies:
 * breadth first. A state is the volume and each actor's position; what an operation makes of a volume,
 * and what a healer makes of it once all sessions are dead, is computed once.
 */
import type { Actor, Numbers } from './actors.ts';
import { heal } from './heal.ts';
import { NumberTable } from './number-table.ts';
import { EMPTY } from './scenario.ts';
import { rename, type Symmetry } from './symmetry.ts';
import type { Outcome, Volumes } from './volumes.ts';

export interface Found {
  /** Those that differ by the workers' names are one (except where two are at the same place). */
  readonly states: number;
  readonly transitions: number;
  /** Each is healed. */
  readonly volumes: number;
  /** A problem, and a shortest trace to it. */
  readonly violation: { readonly problem: string; readonly trace: readonly string[] } | undefined;
}

/** The position of `actor` after an operation, or (without one) after a crash. */
type Visit = (volume: number, actor: number, position: number, op?: number, how?: Outcome) => void;

interface Event {
  /** It happens in this state. */
  readonly state: number;
  readonly actor: number;
  readonly op: number | undefined;
  readonly how: Outcome | undefined;
}

export class Search {
  readonly #actors: readonly Actor[];
  readonly #numbers: Numbers;
  readonly #volumes: Volumes;
  readonly #symmetry: Symmetry;
  readonly #states = new NumberTable();
  /** A state's number has the positions as digits, and the volume before them. */
  readonly #sizes: readonly number[];
  /** Of the state that is being looked at; then, for a moment, of one that follows it. */
  readonly #positions: number[];
  /** By which the last successor's names were changed. */
  #permutation = 0;

  constructor(actors: readonly Actor[], numbers: Numbers, volumes: Volumes, symmetry: Symmetry) {
    this.#actors = actors;
    this.#numbers = numbers;
    this.#volumes = volumes;
    this.#symmetry = symmetry;
    this.#sizes = actors.map(({ moves }) => moves.length);
    this.#positions = actors.map(({ start }) => start);
  }

  async run(): Promise<Found> {
    const states = this.#states;
    const volumes = this.#volumes;
    /** By volume: how it first came about. */
    const origins: Event[] = [];
    states.add(this.#encode(volumes.numberOf(EMPTY), 0), -1);
    let wrong: { readonly problem: string; readonly event: Event | undefined } | undefined;
    let transitions = 0;
    let healed = 0;
    for (let state = 0; state < states.length && wrong === undefined; state += 1) {
      this.#successors(states.at(state), (volume, actor, position, op, how) => {
        transitions += 1;
        origins[volume] ??= { state, actor, op, how };
        if (how?.problem === undefined) states.add(this.#successor(volume, actor, position), state);
        else wrong ??= { problem: how.problem, event: { state, actor, op, how } };
      });
      for (; healed < volumes.length && wrong === undefined; healed += 1) {
        const problem = await heal(volumes.at(healed));
        if (problem !== undefined) {
          wrong = { problem: `if all die: ${problem}`, event: origins[healed] };
        }
      }
    }
    const violation = wrong && { problem: wrong.problem, trace: this.#trace(wrong.event) };
    return { states: states.length, transitions, volumes: volumes.length, violation };
  }

  /** What may happen in a state, one thing at a time. */
  #successors(key: number, visit: Visit): void {
    const volume = this.#decode(key);
    for (let index = 0; index < this.#actors.length; index += 1) {
      const actor = this.#actors[index]!;
      const position = this.#positions[index]!;
      const death = actor.deaths[position];
      if (death !== undefined) visit(volume, index, death);
      for (const { op, next } of actor.moves[position]!) {
        for (const outcome of this.#volumes.outcomes(volume, op)) {
          const to = next[outcome.reply];
          if (to === undefined)
            throw new Error(`not foreseen: ${this.#describe(index, op, outcome)}`);
          visit(outcome.volume, index, to, op, outcome);
        }
      }
    }
  }

  /** The number of the state in which one actor has moved, by its representative. */
  #successor(volume: number, actor: number, position: number): number {
    const before = this.#positions[actor]!;
    this.#positions[actor] = position;
    this.#permutation = this.#symmetry.choose(this.#positions);
    const key = this.#encode(volume, this.#permutation);
    this.#positions[actor] = before;
    return key;
  }

  #encode(volume: number, permutation: number): number {
    const positions = this.#positions;
    const symmetry = this.#symmetry;
    const changes = permutation !== 0;
    let key = changes ? symmetry.volume(permutation, volume) : volume;
    for (let index = positions.length - 1; index >= 0; index -= 1) {
      const from = changes ? symmetry.source(permutation, index) : index;
      const position = positions[from]!;
      const digit = changes ? symmetry.position(permutation, from, position) : position;
      key = key * this.#sizes[index]! + digit;
    }
    return key;
  }

  #decode(key: number): number {
    let rest = key;
    for (let index = 0; index < this.#sizes.length; index += 1) {
      const size = this.#sizes[index]!;
      const quotient = Math.floor(rest / size);
      this.#positions[index] = rest - quotient * size;
      rest = quotient;
    }
    return rest;
  }

  #describe(actor: number, op?: number, how?: Outcome): string {
    const { name } = this.#actors[actor]!;
    if (op === undefined || how === undefined) return `${name} dies`;
    const { ops, replies } = this.#numbers;
    const fault = how.fault === undefined ? '' : ` (${how.fault})`;
    return `${name}: ${ops.values[op]!.join(' ')} → ${replies.values[how.reply]}${fault}`;
  }

  /** From the start to an event; each actor keeps the name it had at the start. */
  #trace(event: Event | undefined): string[] {
    if (event === undefined) return [];
    const path = [event.state];
    while (path[0]! > 0) path.unshift(this.#states.originOf(path[0]!));
    const labels: string[] = [];
    /** By the current name of an actor: its name at the start. */
    let names = this.#symmetry.permutations[0]!;
    for (const [index, state] of path.slice(1).entries()) {
      let label: string | undefined;
      let chosen = 0;
      this.#successors(this.#states.at(path[index]!), (volume, actor, position, op, how) => {
        if (label !== undefined) return;
        if (this.#successor(volume, actor, position) !== this.#states.at(state)) return;
        label = this.#describe(actor, op, how);
        chosen = this.#permutation;
      });
      labels.push(rename(label!, names));
      const permutation = this.#symmetry.permutations[chosen]!;
      const before = names;
      names = names.map((_, now) => before[permutation.indexOf(now)]!);
    }
    return [...labels, rename(this.#describe(event.actor, event.op, event.how), names)];
  }
}
