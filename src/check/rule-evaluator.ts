/**
 * Evaluation of the user's functions, rules and claims, and a cache of their answers. A proof assumes that they are pure and
 * treat symmetric instances alike; each call is checked for both, by repeating it and by permuting the instances' names.
 */
import { decide, type Decision, type EventRequest, type EventInput } from '../machine/decide.ts';
import type { Json } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import type { Claim, Composition } from './composition.ts';
import { exchangesOf, type Exchange } from './symmetry.ts';

export interface Evaluation<Answer> {
  readonly answer: Answer;
  /** Instances that it read, in that order. */
  readonly looked: readonly number[];
  /** `looked`, then those that it reads under permuted names. */
  readonly relevant: readonly number[];
  /** Names that it asked for and no instance has. */
  readonly missing: readonly string[];
}

type Sensor = (name: string) => InstanceSnapshot | undefined;

export class RuleEvaluator {
  readonly #composition: Composition;
  readonly #readingAt: (instance: number, reading: number) => InstanceSnapshot;
  readonly #indices: ReadonlyMap<string, number>;
  readonly #exchanges: readonly Exchange[];

  constructor(
    composition: Composition,
    readingAt: (instance: number, reading: number) => InstanceSnapshot,
  ) {
    this.#composition = composition;
    this.#readingAt = readingAt;
    this.#indices = new Map(composition.parts.map(({ name }, index) => [name, index]));
    this.#exchanges = exchangesOf(composition.symmetric, composition.parts.length);
  }

  claim({ name, test }: Claim, readings: Int32Array): Evaluation<boolean> {
    const ask = (sensor: Sensor): boolean =>
      Boolean(
        test((instance) => {
          const seen = sensor(instance);
          if (seen !== undefined) return seen;
          throw new UserError('bad-composition', `"${name}": there is no instance ${instance}`);
        }),
      );
    return this.#ask(`"${name}"`, readings, ask, (one, other) => one === other);
  }

  decision(
    instance: number,
    reading: InstanceSnapshot,
    input: EventInput,
    readings: Int32Array,
  ): Evaluation<Decision> {
    const { parts } = this.#composition;
    const ask = (sensor: Sensor, exchange?: Exchange): Decision => {
      const { machine, name } = parts[exchange === undefined ? instance : exchange.to[instance]!]!;
      return decide(machine.rules, name, reading, input, sensor);
    };
    return this.#ask(
      `${parts[instance]!.name}, at ${input.event},`,
      readings,
      ask,
      (one, other, exchange) => this.#isAlike(one, other, exchange),
    );
  }

  #ask<Answer>(
    what: string,
    readings: Int32Array,
    ask: (sensor: Sensor, exchange?: Exchange) => Answer,
    isAlike: (one: Answer, other: Answer, exchange?: Exchange) => boolean,
  ): Evaluation<Answer> {
    const looked: number[] = [];
    const missing: string[] = [];
    const answer = ask(this.#sensor(readings, looked, missing));
    const again: number[] = [];
    if (!isAlike(answer, ask(this.#sensor(readings, again, []))) || looked.join() !== again.join())
      throw new UserError(
        'not-pure',
        `${what} gave different answers for the same arguments; it must depend on its arguments alone`,
      );
    const relevant = [...looked];
    for (const exchange of this.#exchanges) {
      if (isAlike(answer, ask(this.#sensor(readings, relevant, [], exchange), exchange), exchange))
        continue;
      throw new UserError(
        'not-symmetric',
        `composition ${this.#composition.name}: ${what} treats symmetric instances differently; ` +
          'correct it, or remove them from symmetric',
      );
    }
    return { answer, looked, relevant, missing };
  }

  #sensor(readings: Int32Array, looked: number[], missing: string[], exchange?: Exchange): Sensor {
    return (name) => {
      const named = this.#indices.get(name);
      if (named === undefined) {
        if (!missing.includes(name)) missing.push(name);
        return undefined;
      }
      const index = exchange === undefined ? named : exchange.back[named]!;
      if (!looked.includes(index)) looked.push(index);
      return this.#readingAt(index, readings[index]!);
    };
  }

  #isAlike(one: Decision, other: Decision, exchange: Exchange | undefined): boolean {
    if (one.outcome !== 'Ok' || other.outcome !== 'Ok') return one.outcome === other.outcome;
    if (one.state !== other.state || one.moved !== other.moved) return false;
    if (one.payload !== other.payload && canonical(one.payload) !== canonical(other.payload))
      return false;
    return (
      one.emit.length === other.emit.length &&
      (one.emit.length === 0 ||
        canonical(this.#addressed(one.emit, exchange)) ===
          canonical(this.#addressed(other.emit, undefined)))
    );
  }

  /** Sorted by addressee: events to different addressees have no order. */
  #addressed(emissions: readonly EventRequest[], exchange: Exchange | undefined): Json[] {
    return emissions
      .map(({ to, event, details }): [number, Json] => {
        const index = this.#indices.get(to) ?? -1;
        return [
          exchange === undefined || index < 0 ? index : exchange.to[index]!,
          [event, details ?? {}],
        ];
      })
      .sort(([a], [b]) => a - b);
  }
}

/** JSON with sorted keys: equal values have equal texts. */
export function canonical(value: Json | undefined): string {
  return JSON.stringify(value, (_, inner: Json) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/**
 * Cache of a function of other instances' readings: a decision tree that branches on the instances that the function read. The
 * function is called once per path; instances that it does not read cost nothing. A leaf has an answer and `instance` −1; any
 * other node branches on the reading of `instance`.
 */
export interface DecisionTree<Answer> {
  instance: number;
  next: DecisionTree<Answer>[];
  answer: Answer | undefined;
}

export function emptyTree<Answer>(): DecisionTree<Answer> {
  return { instance: -1, next: [], answer: undefined };
}

/** Undefined if the function has not been called for these readings. */
export function findAnswer<Answer>(
  tree: DecisionTree<Answer>,
  readings: Readonly<ArrayLike<number>>,
): Answer | undefined {
  let node: DecisionTree<Answer> | undefined = tree;
  while (node !== undefined && node.instance >= 0) node = node.next[readings[node.instance]!];
  return node?.answer;
}

/** `looked`: the instances that it read, in that order, each once. Throws `not-pure`. */
export function addAnswer<Answer>(
  tree: DecisionTree<Answer>,
  readings: Readonly<ArrayLike<number>>,
  looked: readonly number[],
  answer: Answer,
): void {
  let node = tree;
  for (const instance of looked) {
    if (node.instance < 0) {
      if (node.answer !== undefined) refuse();
      node.instance = instance;
    } else if (node.instance !== instance) refuse();
    node = node.next[readings[instance]!] ??= emptyTree();
  }
  if (node.instance >= 0 || node.answer !== undefined) refuse();
  node.answer = answer;
}

function refuse(): never {
  throw new UserError(
    'not-pure',
    'a choice, a hook or a claim read other instances than before for the same arguments; ' +
      'it must depend on its arguments alone',
  );
}
