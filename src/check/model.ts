/**
 * A composition as integers. The *configuration* of an instance is its reading (state and payload), its expired timers
 * and its queue; a *world* has one configuration for each instance. Instances of one group share their numbering.
 */
import type { Decision, EventRequest, EventInput } from '../machine/decide.ts';
import { UserError } from '../machine/errors.ts';
import type { InstanceSnapshot } from '../machine/table.ts';
import {
  RuleEvaluator,
  addAnswer,
  findAnswer,
  emptyTree,
  canonical,
  type Evaluation,
  type DecisionTree,
} from './rule-evaluator.ts';
import type { StepCause } from './findings.ts';
import type { Claim, Composition, Part } from './composition.ts';
import type { Json } from '../machine/definition.ts';

/** Maps values to small integers: values of equal content have the same integer. */
class InternTable<Value> {
  readonly #known = new Map<string, number>();
  readonly values: Value[] = [];

  intern(value: Value): number {
    const key = canonical(value as Json);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.values.length);
    return this.values.push(value) - 1;
  }
}

/** Equal events in a row. */
interface Run {
  readonly message: number;
  readonly count: number;
}

export const EMPTY_QUEUE = 0;

/**
 * Queues of waiting events. Up to `repeats` equal events in a row are counted; one more stands for any larger number of
 * them.
 */
export class Queues {
  readonly #changes: number;
  readonly #repeats: number;
  readonly #runs = new InternTable<readonly Run[]>();
  /** Some queue has had more than `repeats` equal events in a row. */
  isSaturated = false;

  constructor({ changes, repeats }: { changes: number; repeats: number }) {
    this.#changes = changes;
    this.#repeats = repeats;
    this.#runs.intern([]);
  }

  /** The first message; undefined if the queue is empty. */
  front(queue: number): number | undefined {
    return this.#runs.values[queue]![0]?.message;
  }

  /** Undefined if the queue is full. */
  push(queue: number, message: number): number | undefined {
    const runs = this.#runs.values[queue]!;
    const last = runs.at(-1);
    if (last?.message !== message) {
      return runs.length === this.#changes
        ? undefined
        : this.#runs.intern([...runs, { message, count: 1 }]);
    }
    if (last.count > this.#repeats) return queue;
    this.isSaturated ||= last.count === this.#repeats;
    return this.#runs.intern([...runs.slice(0, -1), { message, count: last.count + 1 }]);
  }

  /** The possible queues without the first event: a saturated run may stay saturated or shrink to `repeats`. */
  pop(queue: number): readonly number[] {
    const [first, ...others] = this.#runs.values[queue]!;
    if (first === undefined) return [];
    const { message, count } = first;
    const less = this.#runs.intern(count > 1 ? [{ message, count: count - 1 }, ...others] : others);
    return count > this.#repeats ? [less, queue] : [less];
  }
}

export interface InstanceConfiguration {
  readonly reading: number;
  /** Bit mask of the timers of its state that have fired. */
  readonly spent: number;
  readonly queue: number;
}

/** An event that may be applied to an instance next. */
export interface Move {
  readonly cause: StepCause;
  readonly message: number;
  /** The timer's bit; 0 for other causes. */
  readonly bit: number;
  readonly reads: DecisionTree<ModelStep>;
}

/** An error of a step, independent of claims. */
export interface StepFault {
  readonly kind: 'impossible' | 'internal' | 'no-instance' | 'no-sensor';
  readonly message: string;
}

/** The steps of an instance in worlds that it cannot tell apart. */
export interface EnabledMoves {
  /** Those that change the world. */
  readonly steps: readonly ModelStep[];
  readonly faulty: readonly ModelStep[];
}

/** A move, and its result in worlds that it cannot tell apart. */
export interface ModelStep {
  readonly instance: number;
  readonly move: Move;
  readonly decision: Decision;
  /** Its configuration afterwards: several if the queue is saturated. */
  readonly results: readonly number[];
  /** Pairs of addressee and message. */
  readonly emits: readonly number[];
  /** Instances whose readings it depends on. */
  readonly relevant: readonly number[];
  /** Bit mask of the instances that it read, without itself. */
  readonly looked: number;
  /** Bit mask of the instances that it sends events to. */
  readonly addressees: number;
  /** It changes what other instances read. */
  readonly isVisible: boolean;
  readonly isIdle: boolean;
  /** Steps of equal effect change the world in the same way. */
  readonly effect: number;
  readonly faults: readonly StepFault[];
}

/** Symmetric instances; most groups have one. */
interface Group {
  readonly readings: InternTable<InstanceSnapshot>;
  readonly configurations: InternTable<InstanceConfiguration>;
  /** By configuration. */
  readonly readingOf: number[];
  /** By configuration: its place in the order that `normalise` sorts by. */
  readonly rank: number[];
  /** By configuration and message: the configuration after it was received; −1 if the queue is full. */
  readonly received: number[][];
}

/** A configuration has 16 bits in a world. */
const MAX_CONFIGURATIONS = 1 << 16;

export class Model {
  readonly composition: Composition;
  readonly parts: readonly Part[];
  readonly width: number;
  readonly queues: Queues;
  readonly messages: InternTable<EventInput> = new InternTable();
  readonly groups: readonly Group[];
  readonly #indices: ReadonlyMap<string, number>;
  readonly #evaluator: RuleEvaluator;
  readonly #effects = new InternTable<readonly unknown[]>();
  readonly #moves: (readonly Move[])[][];
  readonly #enabled: DecisionTree<EnabledMoves>[][];
  /** An event was dropped because a queue was full. */
  isOverfull = false;

  constructor(composition: Composition) {
    this.composition = composition;
    this.parts = composition.parts;
    this.width = this.parts.length;
    this.queues = new Queues(composition.waiting);
    this.#indices = new Map(this.parts.map(({ name }, index) => [name, index]));
    this.#evaluator = new RuleEvaluator(composition, (instance, reading) =>
      this.readingAt(instance, reading),
    );
    const groups: Group[] = [];
    for (let index = 0; index < this.width; index += 1) {
      const members = composition.symmetric.find((group) => group.includes(index)) ?? [index];
      groups.push(groups[Math.min(...members)] ?? newGroup());
    }
    this.groups = groups;
    this.#moves = this.parts.map(() => []);
    this.#enabled = this.parts.map(() => []);
  }

  start(): Uint16Array {
    return Uint16Array.from(this.parts, ({ start }, instance) =>
      this.#configure(instance, {
        reading: this.groups[instance]!.readings.intern(start),
        spent: 0,
        queue: EMPTY_QUEUE,
      }),
    );
  }

  readings(world: Uint16Array, into: Int32Array): void {
    for (let at = 0; at < this.width; at += 1) into[at] = this.groups[at]!.readingOf[world[at]!]!;
  }

  readingAt(instance: number, reading: number): InstanceSnapshot {
    return this.groups[instance]!.readings.values[reading]!;
  }

  /** All moves of an instance, refused and idle ones too. */
  moves(instance: number, configuration: number): readonly Move[] {
    return (this.#moves[instance]![configuration] ??= this.#movesOf(instance, configuration));
  }

  /** The steps of an instance in this world. */
  enabledMoves(instance: number, configuration: number, readings: Int32Array): EnabledMoves {
    const tree = (this.#enabled[instance]![configuration] ??= emptyTree());
    return findAnswer(tree, readings) ?? this.#findEnabled(tree, instance, configuration, readings);
  }

  step(instance: number, configuration: number, move: Move, readings: Int32Array): ModelStep {
    return findAnswer(move.reads, readings) ?? this.#take(instance, configuration, move, readings);
  }

  /** The configuration after receiving an event; −1 if its queue is full. */
  receive(instance: number, configuration: number, message: number): number {
    const { received, configurations } = this.groups[instance]!;
    const row = (received[configuration] ??= []);
    const known = row[message];
    if (known !== undefined) {
      if (known < 0) this.isOverfull = true;
      return known;
    }
    const before = configurations.values[configuration]!;
    const queue = this.queues.push(before.queue, message);
    if (queue === undefined) this.isOverfull = true;
    return (row[message] =
      queue === undefined ? -1 : this.#configure(instance, { ...before, queue }));
  }

  /** Whether a claim's test is true in the world; `reads` caches the answers. */
  test(claim: Claim, reads: DecisionTree<boolean>, readings: Int32Array): boolean {
    const known = findAnswer(reads, readings);
    if (known !== undefined) return known;
    const { answer, relevant } = this.#evaluator.claim(claim, readings);
    addAnswer(reads, readings, relevant, answer);
    return answer;
  }

  #findEnabled(
    tree: DecisionTree<EnabledMoves>,
    instance: number,
    configuration: number,
    readings: Int32Array,
  ): EnabledMoves {
    const steps = this.moves(instance, configuration).map((move) =>
      this.step(instance, configuration, move, readings),
    );
    const looked = [...new Set(steps.flatMap(({ relevant }) => relevant))];
    const enabled = {
      steps: steps.filter(({ isIdle }) => !isIdle),
      faulty: steps.filter(({ faults }) => faults.length > 0),
    };
    addAnswer(tree, readings, looked, enabled);
    return enabled;
  }

  #configure(instance: number, configuration: InstanceConfiguration): number {
    const { configurations, readingOf, rank } = this.groups[instance]!;
    const number = configurations.intern(configuration);
    if (number < readingOf.length) return number;
    if (number === MAX_CONFIGURATIONS) {
      const { name } = this.parts[instance]!;
      throw new UserError(
        'too-many-configurations',
        `${name} has more than ${MAX_CONFIGURATIONS} combinations of state, payload and waiting events; ` +
          'remove counters from its payload for this check',
      );
    }
    readingOf.push(configuration.reading);
    rank.push(configuration.reading * MAX_CONFIGURATIONS + number);
    return number;
  }

  #movesOf(instance: number, number: number): readonly Move[] {
    const { readings, configurations } = this.groups[instance]!;
    const { reading, spent, queue } = configurations.values[number]!;
    const { machine, inputs } = this.parts[instance]!;
    const moves: Move[] = [];
    const add = (cause: StepCause, message: number, bit = 0): number =>
      moves.push({ cause, message, bit, reads: emptyTree() });
    const front = this.queues.front(queue);
    if (front !== undefined) add('event', front);
    const timers = machine.timers.get(readings.values[reading]!.state) ?? [];
    timers.forEach(({ event }, at) => {
      const isSpent = (spent & (1 << at)) !== 0;
      if (!isSpent) add('timer', this.messages.intern({ event, details: {} }), 1 << at);
    });
    for (const input of inputs) add('input', this.messages.intern(input));
    return moves;
  }

  #take(instance: number, number: number, move: Move, readings: Int32Array): ModelStep {
    const before = this.groups[instance]!.configurations.values[number]!;
    const input = this.messages.values[move.message]!;
    const reading = this.readingAt(instance, before.reading);
    const answered = this.#evaluator.decision(instance, reading, input, readings);
    const step = this.#stepOf(instance, before, move, answered);
    addAnswer(move.reads, readings, answered.relevant, step);
    return step;
  }

  #stepOf(
    instance: number,
    before: InstanceConfiguration,
    move: Move,
    { answer: decision, looked, relevant, missing }: Evaluation<Decision>,
  ): ModelStep {
    const isOk = decision.outcome === 'Ok';
    const sent: readonly EventRequest[] = isOk ? decision.emit : [];
    const emits = sent.flatMap(({ to, event, details }) => {
      const addressee = this.#indices.get(to);
      const message = this.messages.intern({ event, details: details ?? {} });
      return addressee === undefined ? [] : [addressee, message];
    });
    const reading = isOk
      ? this.groups[instance]!.readings.intern({ state: decision.state, payload: decision.payload })
      : before.reading;
    const isStay = !(isOk && decision.moved);
    // A vetoed timer is rescheduled; any other one fires once per stay.
    const isSpent = move.cause === 'timer' && decision.outcome !== 'TransitionNotAllowed';
    const spent = isStay ? before.spent | (isSpent ? move.bit : 0) : 0;
    const queues = move.cause === 'event' ? this.queues.pop(before.queue) : [before.queue];
    const results = queues.map((queue) => this.#configure(instance, { reading, spent, queue }));
    const bits = (instances: readonly number[]): number =>
      instances.reduce((sum, one) => sum | (1 << one), 0) & ~(1 << instance);
    const own = this.groups[instance]!.configurations.intern(before);
    return {
      instance,
      move,
      decision,
      results,
      emits,
      relevant,
      looked: bits(looked),
      addressees: emits.reduce((sum, one, at) => (at % 2 === 0 ? sum | (1 << one) : sum), 0),
      isVisible: reading !== before.reading,
      isIdle: emits.length === 0 && results.every((result) => result === own),
      effect: this.#effects.intern([instance, results, emits]),
      faults: this.#faultsOf(instance, move, decision, sent, missing),
    };
  }

  #faultsOf(
    instance: number,
    move: Move,
    decision: Decision,
    sent: readonly EventRequest[],
    missing: readonly string[],
  ): StepFault[] {
    const { name, late } = this.parts[instance]!;
    const { event } = this.messages.values[move.message]!;
    const faults: StepFault[] = missing.map((other) => ({
      kind: 'no-sensor',
      message: `${name} reads ${other}, which is not in the composition`,
    }));
    if (decision.outcome === 'InternalError')
      faults.push({ kind: 'internal', message: `${name}, at ${event}: ${decision.reason}` });
    const isOwn = move.cause !== 'input' && !late.has(event);
    if (decision.outcome === 'EventNotAllowed' && isOwn)
      faults.push({ kind: 'impossible', message: `${name}: ${decision.reason}` });
    for (const { to } of sent) {
      if (!this.#indices.has(to))
        faults.push({
          kind: 'no-instance',
          message: `${name} sends an event to ${to}, which is not in the composition`,
        });
    }
    return faults;
  }
}

function newGroup(): Group {
  return {
    readings: new InternTable(),
    configurations: new InternTable(),
    readingOf: [],
    rank: [],
    received: [],
  };
}
