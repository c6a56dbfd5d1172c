/** The trace to a world, with real instance names: the table stores worlds up to permutation of symmetric instances. */
import type { Json } from '../machine/definition.ts';
import type { Trace, TracedStep, StepCause, Finding } from './findings.ts';
import type { Hit } from './explore.ts';
import type { Model, ModelStep } from './model.ts';
import type { StateTable } from './state-graph.ts';
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

const CAUSE_TEXTS: Readonly<Record<StepCause, string>> = {
  input: 'from outside',
  timer: 'timer',
  event: 'waiting',
};

/** A finding as text: its message, and its trace with one numbered line per step. */
export function storyOf({ kind, message, trace }: Finding): string {
  const heading = `${kind}: ${message}`;
  return trace === undefined ? heading : [heading, ...linesOf(trace)].join('\n');
}

function linesOf({ steps, isExact, end }: Trace): string[] {
  const width = String(steps.length).length;
  const margin = ' '.repeat(width + 4);
  const lines = steps.flatMap((together, at) => {
    const number = `  ${String(at + 1).padStart(width)}  `;
    const [first] = together;
    if (together.length === 1) return indent(number, margin, linesOfStep(first!));
    return [
      `${number}simultaneously, on the same snapshot:`,
      ...together.flatMap((step) => indent(`${margin}- `, `${margin}  `, linesOfStep(step))),
    ];
  });
  const where = Object.entries(end).map(([instance, state]) => `${instance}: ${state}`);
  const begin = steps.length === 0 ? 'at the start' : 'then';
  const doubt =
    'it takes an event more often than the event was sent; raise waiting.repeats for an exact trace';
  return [
    ...lines,
    `${margin}${begin} ${where.join(', ')}`,
    ...(isExact ? [] : [`${margin}${doubt}`]),
  ];
}

function indent(first: string, others: string, lines: readonly string[]): string[] {
  return lines.map((line, at) => (at === 0 ? first : others) + line);
}

function linesOfStep(step: TracedStep): string[] {
  const { instance, event, cause, from, to, outcome, reason, goal, emits } = step;
  const toward = goal === undefined ? '' : `, toward ${goal}`;
  const result =
    outcome === 'Ok'
      ? from === to
        ? `stays ${to}${toward}`
        : `${from} → ${to}${toward}`
      : `${outcome}: ${reason}`;
  return [
    `${instance}: ${event} (${CAUSE_TEXTS[cause]}): ${result}`,
    ...emits.map((one) => `sends ${one.to}: ${one.event}`),
  ];
}

/** Without a trace the diagram has only a title. */
export function sequenceOf({ kind, message, trace }: Finding): string {
  const steps = trace?.steps ?? [];
  const acting = steps.flat().map(({ instance }) => instance);
  const addressees = steps.flat().flatMap(({ emits }) => emits.map(({ to }) => to));
  const ids = new Map([...new Set([...acting, ...addressees])].map((name, at) => [name, `i${at}`]));
  const idOf = (name: string): string => ids.get(name)!;
  const hasInputs = steps.flat().some(({ cause }) => cause === 'input');
  const lines = [
    ...(hasInputs ? ['actor outside'] : []),
    ...[...ids].map(([name, id]) => `participant ${id} as ${escape(name)}`),
    ...steps.flatMap((together) =>
      together.length === 1
        ? arrowsOf(together[0]!, idOf)
        : together.flatMap((step, at) => [
            `${at === 0 ? 'par' : 'and'} on the same snapshot`,
            ...arrowsOf(step, idOf).map((line) => `  ${line}`),
            ...(at === together.length - 1 ? ['end'] : []),
          ]),
    ),
  ];
  return [
    '---',
    `title: ${JSON.stringify(`${kind}: ${message}`)}`,
    '---',
    'sequenceDiagram',
    ...lines.map((line) => `  ${line}`),
  ].join('\n');
}

function arrowsOf(step: TracedStep, idOf: (name: string) => string): string[] {
  const { instance, event, cause, from, to, outcome, emits } = step;
  const id = idOf(instance);
  // The sender of a waiting event was drawn when it sent it.
  const arrow = { input: `outside->>${id}`, timer: `${id}->>${id}`, event: `${id}-->>${id}` }[
    cause
  ];
  const result = outcome === 'Ok' ? (from === to ? to : `${from} → ${to}`) : outcome;
  return [
    `${arrow}: ${escape(event)}`,
    `Note over ${id}: ${escape(result)}`,
    ...emits.map((one) => `${id}-)${idOf(one.to)}: ${escape(one.event)}`),
  ];
}

/** Replaces characters that may have a meaning in Mermaid by its entities. */
function escape(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{M} ,.()?!'/_→-]|\bend\b/gu, (one) =>
    [...one].map((letter) => `#${letter.codePointAt(0)};`).join(''),
  );
}
