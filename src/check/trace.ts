/** The trace to a world, with real instance names: the table stores worlds up to permutation of symmetric instances. */
import type { Json } from '../machine/definition.ts';
import type { Trace, TracedStep } from './findings.ts';
import type { Hit } from './explore.ts';
import type { Model, ModelStep } from './model.ts';
import type { StateTable } from './state-table.ts';
import { Successors } from './successors.ts';
import { normalise } from './symmetry.ts';

export function traceOf(
  model: Model,
  table: StateTable,
  { at, last }: Pick<Hit, 'at' | 'last'>,
): Trace {
  const ranks = model.groups.map(({ rank }) => rank);
  const { symmetric } = model.composition;
  const successors = new Successors(model);
  const path: number[] = [];
  for (let index = at; index > 0; index = table.parent(index)) path.unshift(index);
  const steps: TracedStep[][] = [];
  const waiting = model.parts.map((): number[] => []);
  let isExact = true;
  let world = model.start();
  for (const index of path) {
    let after: Uint16Array | undefined;
    const plain = new Uint16Array(model.width);
    successors.each(world, (next, taken) => {
      plain.set(next);
      normalise(plain, symmetric, ranks);
      if (table.find(plain) !== index) return false;
      after = Uint16Array.from(next);
      isExact = isExact && canBeTaken(taken, waiting);
      steps.push(taken.map((step) => tracedStepOf(model, world, step)));
      return true;
    });
    if (after === undefined) throw new Error(`world ${index} does not follow from its parent`);
    world = after;
  }
  const end = statesOf(model, world);
  if (last === undefined) return { steps, isExact, end };
  const step = lastStep(model, world, last);
  isExact = isExact && canBeTaken([step], waiting);
  const final = tracedStepOf(model, world, step);
  return { steps: [...steps, [final]], isExact, end: { ...end, [final.instance]: final.to } };
}

/** Whether the steps can be taken with exact queues. Updates `waiting`: the messages of each instance. */
function canBeTaken(steps: readonly ModelStep[], waiting: readonly number[][]): boolean {
  const isThere = steps.every(
    ({ instance, move }) => move.cause !== 'event' || waiting[instance]!.shift() === move.message,
  );
  for (const { emits } of steps) {
    for (let pair = 0; pair < emits.length; pair += 2)
      waiting[emits[pair]!]!.push(emits[pair + 1]!);
  }
  return isThere;
}

function lastStep(
  model: Model,
  world: Uint16Array,
  isLast: (step: ModelStep) => boolean,
): ModelStep {
  const readings = new Int32Array(model.width);
  model.readings(world, readings);
  const faulty = model.parts.flatMap(
    (_, instance) => model.enabledMoves(instance, world[instance]!, readings).faulty,
  );
  // Under permuted names the faulty step belongs to another instance of the group.
  const last = faulty.find(isLast) ?? faulty[0];
  if (last !== undefined) return last;
  throw new Error('the last step of a trace was not found');
}

function tracedStepOf(model: Model, world: Uint16Array, step: ModelStep): TracedStep {
  const { instance, decision, move } = step;
  const name = model.parts[instance]!.name;
  const before = model.groups[instance]!.readingOf[world[instance]!]!;
  const { state } = model.readingAt(instance, before);
  const { event, details } = model.messages.values[move.message]!;
  const isOk = decision.outcome === 'Ok';
  return {
    instance: name,
    cause: move.cause,
    event,
    details,
    outcome: decision.outcome,
    reason: isOk ? undefined : decision.reason,
    from: state,
    to: isOk ? decision.state : state,
    goal: isOk ? goalOf(decision.payload) : undefined,
    emits: isOk ? decision.emit.map(({ to, event: sent }) => ({ to, event: sent })) : [],
  };
}

function goalOf(payload: Json): string | undefined {
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  return isObject && typeof payload['goal'] === 'string' ? payload['goal'] : undefined;
}

function statesOf(model: Model, world: Uint16Array): Record<string, string> {
  return Object.fromEntries(
    model.parts.map(({ name }, instance) => {
      const reading = model.groups[instance]!.readingOf[world[instance]!]!;
      return [name, model.readingAt(instance, reading).state];
    }),
  );
}
