/** A composition: machines that work together, and claims about them: `export default composition({ … })`. */
import type { EventInput } from '../machine/decide.ts';
import type { Json, Machine, RunnableActivity } from '../machine/definition.ts';
import { UserError } from '../machine/errors.ts';
import { isMachine } from '../machine/machine.ts';
import type { InstanceSnapshot } from '../machine/table.ts';

const COMPOSITION = Symbol.for('flockwork.composition');
const OPTION_KEYS: readonly string[] = [
  'name',
  'instances',
  'start',
  'inputs',
  'invariants',
  'goals',
  'symmetric',
  'late',
  'unreached',
  'waiting',
];

/** State and payload of an instance. Throws if the composition has no instance of that name. */
export type World = (instance: string) => InstanceSnapshot;

export interface Claim {
  readonly kind: 'never' | 'possible' | 'settles';
  readonly name: string;
  /** Any truthy value counts as true. */
  readonly test: (world: World) => unknown;
}

/** An invariant: `test` is false in every reachable world. */
export function never(name: string, test: (world: World) => boolean): Claim {
  return { kind: 'never', name, test };
}

/** A goal: from every reachable world, a world in which `test` is true can be reached. */
export function possible(name: string, test: (world: World) => boolean): Claim {
  return { kind: 'possible', name, test };
}

/** A goal that can be reached even if no further input comes. */
export function settles(name: string, test: (world: World) => boolean): Claim {
  return { kind: 'settles', name, test };
}

type PerInstance<Value> = Readonly<Record<string, Value>>;

export interface CompositionOptions {
  name: string;
  instances: PerInstance<Machine>;
  /** Where instances start. Default: the machine's initial state, with the payload `{}`. */
  start?: PerInstance<{ readonly state?: string; readonly payload?: Json }>;
  /** Events from outside, at any time and any number of times. */
  inputs?: PerInstance<readonly (string | { readonly event: string; readonly details?: Json })[]>;
  /** Made by `never`. */
  invariants?: readonly Claim[];
  /** Made by `possible` and `settles`. */
  goals?: readonly Claim[];
  /** Groups of instances that differ only in their names. */
  symmetric?: readonly (readonly string[])[];
  /** Timer and emitted events that may arrive too late: `impossible` is no finding for them. */
  late?: PerInstance<readonly string[]>;
  /** States that the instance never enters in this composition; entering one is a finding. */
  unreached?: PerInstance<readonly string[]>;
  /** Length of a queue: different events in a row (default 8), and equal events in a row that are counted (default 2). */
  waiting?: { readonly changes?: number; readonly repeats?: number };
}

/** One instance of a composition. */
export interface Part {
  readonly name: string;
  readonly machine: Machine & { readonly rules: NonNullable<Machine['rules']> };
  readonly start: InstanceSnapshot;
  readonly inputs: readonly EventInput[];
  readonly late: ReadonlySet<string>;
  readonly unreached: ReadonlySet<string>;
}

export interface Composition {
  readonly name: string;
  readonly parts: readonly Part[];
  readonly claims: readonly Claim[];
  /** Indices of parts; every group has at least two. */
  readonly symmetric: readonly (readonly number[])[];
  readonly waiting: { readonly changes: number; readonly repeats: number };
}

/** A set of instances is a bit mask in one integer. */
const MAX_INSTANCES = 30;
/** Every rule is evaluated under every permutation of symmetric names. */
const MAX_EXCHANGES = 720;

/** Throws `bad-composition`, with a line in the message and an entry in `facts.problems` for each problem. */
export function composition(options: CompositionOptions): Composition {
  const { name, instances } = options;
  const problems: string[] = [];
  const unknown = Object.keys(options).filter((key) => !OPTION_KEYS.includes(key));
  if (unknown.length > 0)
    problems.push(`unknown key ${unknown.join(', ')}; expected one of ${OPTION_KEYS.join(', ')}`);
  if (typeof name !== 'string' || name === '') problems.push('it has no name');
  const names = Object.keys(instances ?? {});
  if (names.length === 0) problems.push('it has no instances');
  if (names.length > MAX_INSTANCES)
    problems.push(`it has ${names.length} instances; at most ${MAX_INSTANCES} can be checked`);
  for (const key of ['start', 'inputs', 'late', 'unreached'] as const) {
    for (const one of Object.keys(options[key] ?? {}))
      if (!names.includes(one)) problems.push(`${key}: there is no instance ${one}`);
  }
  const parts = names.flatMap((one) => partOf(one, options, problems));
  const claims = [
    ...claimsOf('invariants', ['never'], options, problems),
    ...claimsOf('goals', ['possible', 'settles'], options, problems),
  ];
  if (problems.length === 0) problems.push(...symmetryProblems(options, parts));
  const { changes = 8, repeats = 2 } = options.waiting ?? {};
  for (const [key, value] of Object.entries({ changes, repeats })) {
    if (!Number.isInteger(value) || value < 1)
      problems.push(`waiting.${key} must be a whole number, at least 1`);
  }
  if (problems.length > 0) refuse(name, problems);
  const symmetric = (options.symmetric ?? []).map((group) =>
    group.map((one) => names.indexOf(one)).sort((a, b) => a - b),
  );
  const whole: Composition = { name, parts, claims, symmetric, waiting: { changes, repeats } };
  return Object.freeze({ ...whole, [COMPOSITION]: true });
}

/** Also true for a composition made by another copy of this package. */
export function isComposition(value: unknown): value is Composition {
  return typeof value === 'object' && value !== null && COMPOSITION in value;
}

/** One machine by itself: every event that is not one of its timers is an input. */
export function alone(machine: Machine): Composition {
  const own = new Set([...machine.timers.values()].flat().map(({ event }) => event));
  const inputs = machine.events.filter((event) => !own.has(event));
  return composition({
    name: machine.name,
    instances: { [machine.name]: machine },
    inputs: { [machine.name]: inputs },
  });
}

function refuse(name: string, problems: readonly string[]): never {
  const lines =
    problems.length === 1 ? ` ${problems[0]}` : problems.map((one) => `\n  ${one}`).join('');
  throw new UserError('bad-composition', `composition ${name}:${lines}`, { problems });
}

function partOf(name: string, options: CompositionOptions, problems: string[]): Part[] {
  const machine = options.instances[name];
  if (!isMachine(machine)) {
    problems.push(`${name}: expected a machine, made with machine({ … })`);
    return [];
  }
  const { rules } = machine;
  if (rules === undefined) {
    problems.push(`${name}: cannot check machine ${machine.name}: it has no table`);
    return [];
  }
  const [runnable] = machine.activities.keys();
  if (runnable !== undefined)
    problems.push(
      `${name}: cannot check state ${runnable}: it has an activity, whose answers are not declared; ` +
        'use a machine with an event for each answer instead',
    );
  const unknown = [...rules.activities].find(([, activity]) => !leavesPayload(activity));
  if (unknown !== undefined)
    problems.push(
      `${name}: cannot check hook ${unknown[0]}: it is an activity, whose payload and events are not declared; ` +
        'use an event for each answer instead, or a command with output: none',
    );
  const { state = machine.initial, payload = {} } = options.start?.[name] ?? {};
  const inputs = (options.inputs?.[name] ?? []).map((input) =>
    typeof input === 'string'
      ? { event: input, details: {} }
      : { event: input.event, details: input.details ?? {} },
  );
  const late = options.late?.[name] ?? [];
  const unreached = options.unreached?.[name] ?? [];
  for (const [where, wanted] of [
    ['inputs', inputs.map(({ event }) => event)],
    ['late', late],
  ] as const) {
    for (const event of wanted)
      if (!machine.events.includes(event)) problems.push(`${where}: ${name} has no event ${event}`);
  }
  for (const [where, wanted] of [
    ['start', [state]],
    ['unreached', unreached],
  ] as const) {
    for (const one of wanted)
      if (!machine.kinds.has(one)) problems.push(`${where}: ${name} has no state ${one}`);
  }
  return [
    {
      name,
      machine: { ...machine, rules },
      start: { state, payload },
      inputs,
      late: new Set(late),
      unreached: new Set(unreached),
    },
  ];
}

/** True for an activity that can only end: the instance is then as the transition has left it. */
function leavesPayload(activity: RunnableActivity): boolean {
  return activity.kind === 'command' && activity.output !== 'json';
}

function claimsOf(
  key: 'invariants' | 'goals',
  kinds: readonly Claim['kind'][],
  options: CompositionOptions,
  problems: string[],
): Claim[] {
  const claims = [...(options[key] ?? [])];
  const names = new Set<string>();
  for (const claim of claims) {
    if (!kinds.includes(claim?.kind)) {
      problems.push(
        `${key}: expected claims made with ${kinds.map((kind) => `${kind}(…)`).join(', ')}`,
      );
    } else if (names.has(claim.name)) problems.push(`${key}: "${claim.name}" occurs twice`);
    names.add(claim?.name);
  }
  return claims;
}

function symmetryProblems(options: CompositionOptions, parts: readonly Part[]): string[] {
  const problems: string[] = [];
  const seen = new Set<string>();
  let exchanges = 1;
  for (const group of options.symmetric ?? []) {
    if (group.length < 2) problems.push('symmetric: a group must have at least two instances');
    for (let size = 2; size <= group.length; size += 1) exchanges *= size;
    const shapes = new Set<string>();
    for (const name of group) {
      const part = parts.find((one) => one.name === name);
      if (part === undefined) problems.push(`symmetric: there is no instance ${name}`);
      else if (part.machine.rules !== parts.find((one) => one.name === group[0])?.machine.rules)
        problems.push(`symmetric: ${name} and ${group[0]} have different machines`);
      else shapes.add(JSON.stringify([part.start, part.inputs, [...part.late]]));
      if (seen.has(name)) problems.push(`symmetric: ${name} occurs twice`);
      seen.add(name);
    }
    if (shapes.size > 1)
      problems.push(`symmetric: ${group.join(', ')} differ in start, inputs or late`);
  }
  if (exchanges > MAX_EXCHANGES)
    problems.push(
      `symmetric: ${exchanges} permutations of names; at most ${MAX_EXCHANGES} can be evaluated`,
    );
  return problems;
}
