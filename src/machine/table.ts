/**
 * The transition table: states are rows, events are columns, and each cell says what the event does in the state. A cell that
 * depends on more than the state is a choice among named cells, so that it can be drawn and model-checked. The validation of a
 * user's table reports every problem at once.
 */
import type { Json, RunnableActivity, StateKind, TableOptions, Timer } from './definition.ts';
import type { Rules } from './decide.ts';
import { durationProblem, parseDuration } from './duration.ts';
import { UserError } from './errors.ts';
import { isObject } from './json-text.ts';

/** The event is accepted and changes nothing. */
export const same: unique symbol = Symbol.for('flockwork.same');
/** The event is an error in that state. */
export const impossible: unique symbol = Symbol.for('flockwork.impossible');

/** State and payload of an instance; of another instance, as of the beginning of the cycle. */
export interface InstanceSnapshot {
  readonly state: string;
  readonly payload: Json;
}

/** The argument of a choice or a hook, which must be a pure function of it. */
export interface GuardContext<State extends string = string, Event extends string = string> {
  readonly instance: string;
  readonly state: State;
  readonly payload: any; // eslint-disable-line -- the user's own shape
  readonly event: Event;
  readonly details: Json;
  /** What the instance works toward, after this event. `payload.goal` is the value before it. */
  readonly goal: string | undefined;
  /** Undefined for an instance that does not exist. */
  readonly sensor: (instance: string) => InstanceSnapshot | undefined;
}

export type Verdict<State extends string = string> = State | typeof same | typeof impossible;

/** Created by `choose`. */
export interface Choice<State extends string = string> {
  readonly label: string;
  readonly among: readonly Verdict<State>[];
  readonly decide: (situation: GuardContext) => Verdict<State>;
}

export type Cell<State extends string = string> = Verdict<State> | Choice<State>;

/** Has a cell for each pair of a state and an event. */
export type Table<State extends string = string, Event extends string = string> = Readonly<
  Record<State, Readonly<Record<Event, Cell<State>>>>
>;

/** A conditional cell: `label` describes the condition, `decide` returns one of `among`. */
export function choose<const State extends string>(
  label: string,
  among: readonly Verdict<State>[],
  decide: (situation: GuardContext) => Verdict<NoInfer<State>>,
): Choice<State> {
  return { label, among, decide };
}

/** The possible results of a cell, in the user's order. */
export function verdictsOf(cell: Cell): readonly Verdict[] {
  return typeof cell === 'object' ? cell.among : [cell];
}

/** For messages: the state, `same` or `impossible`. Never throws, whatever a user's function returned. */
export function verdictName(verdict: unknown): string {
  if (verdict === same) return 'same';
  if (verdict === impossible) return 'impossible';
  const isThing =
    (typeof verdict === 'object' && verdict !== null) || typeof verdict === 'function';
  return isThing ? `[${typeof verdict}]` : String(verdict);
}

/** The parts of a machine that follow from its table. */
export interface ResolvedTable {
  readonly initial: string;
  readonly kinds: ReadonlyMap<string, StateKind>;
  readonly events: readonly string[];
  readonly rules: Rules;
  readonly sensors: readonly string[];
  readonly timers: ReadonlyMap<string, readonly Timer[]>;
}

type Activities = ReadonlyMap<string, RunnableActivity>;

/** Throws `bad-machine`: the message has a line, and `facts.problems` an entry, for each problem. */
export function resolveTable(
  options: TableOptions,
  activities: Activities,
  hookActivities: Activities,
): ResolvedTable {
  // JavaScript callers are not checked by the compiler.
  const shape = shapeProblems(options);
  if (shape.length > 0) refuse(options.name, shape);
  const { states, events, initial, table } = options;
  const problems = [
    ...unknown('state', 'initial', [initial], states),
    ...unknown('state', 'the table', Object.keys(table), states),
    ...states.flatMap((state) => rowProblems(state, options)),
    ...unknown('event', 'goals', Object.keys(options.goals ?? {}), events),
    ...Object.values(options.goals ?? {}).flatMap((goal) => nameProblems('goal', goal)),
    ...timerProblems(options),
    ...activityProblems(activities, states),
  ];
  if (problems.length > 0) refuse(options.name, problems);
  const rows = states.map((state) => [state, copy(events, table[state]!)] as const);
  return {
    initial,
    events: Object.freeze([...events]),
    kinds: new Map(rows.map(([state, row]) => [state, kindOf(state, row, activities)])),
    sensors: Object.freeze([...(options.sensors ?? [])]),
    timers: timersOf(options),
    rules: Object.freeze({
      // `fromEntries` defines own properties, even for `__proto__`.
      table: Object.freeze(Object.fromEntries(rows)),
      goals: Object.freeze({ ...options.goals }) as Record<string, string>,
      before: options.hooks?.before,
      after: options.hooks?.after,
      activities: hookActivities,
    }),
  };
}

function refuse(name: string, problems: readonly string[]): never {
  const all = [...new Set(problems)];
  const lines = all.length === 1 ? ` ${all[0]}` : `\n${all.map((one) => `  ${one}`).join('\n')}`;
  throw new UserError('bad-machine', `machine ${name}:${lines}`, { problems: all });
}

function shapeProblems({
  states,
  events,
  table,
  goals = {},
  after = {},
  hooks = {},
  sensors = [],
}: Readonly<Partial<Record<keyof TableOptions, unknown>>>): string[] {
  const problems = [...listProblems('state', states), ...listProblems('event', events)];
  if (Array.isArray(states) && states.length === 0) problems.push('states must not be empty');
  if (!isObject(table)) problems.push('table must be { state: { event: … } }');
  if (!isObject(goals)) problems.push('goals must be { event: goal }');
  if (!isObject(after) || !Object.values(after).every(isObject)) {
    problems.push("after must be { state: { '3s': event } }");
  }
  problems.push(...listProblems('sensor', sensors));
  if (!isObject(hooks)) return [...problems, 'hooks must be { before, after, activities }'];
  if (hooks['activities'] !== undefined && hooks['after'] === undefined)
    problems.push('hooks.activities has no hook that runs them; add hooks.after');
  for (const [name, hook] of Object.entries(hooks)) {
    if (name === 'activities') continue;
    if (name !== 'before' && name !== 'after') {
      problems.push(`hooks has the unknown key ${name}; expected before, after, activities`);
    } else if (typeof hook !== 'function' && hook !== undefined) {
      problems.push(`hooks.${name} must be a function`);
    }
  }
  return problems;
}

export function listProblems(what: string, names: unknown): string[] {
  if (!Array.isArray(names)) return [`${what}s must be a list of names`];
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [
    ...names.flatMap((name) => nameProblems(what, name)),
    ...twice.map((name) => `${what} ${verdictName(name)} is listed twice`),
  ];
}

function nameProblems(what: string, name: unknown): string[] {
  return typeof name === 'string' && name !== ''
    ? []
    : [`each ${what} must be non-empty text, got ${name === '' ? "''" : verdictName(name)}`];
}

function unknown(
  what: string,
  where: string,
  names: readonly unknown[],
  known: readonly string[],
): string[] {
  return names
    .filter((name) => !known.includes(name as string))
    .map(
      (name) => `${where}: there is no ${what} ${verdictName(name)}; there are ${known.join(', ')}`,
    );
}

function rowProblems(state: string, { states, events, table }: TableOptions): string[] {
  const row: unknown = Object.hasOwn(table, state) ? table[state] : {};
  if (!isObject(row)) return [`the table, row ${state}: expected { event: … }`];
  return [
    ...unknown('event', `the table, row ${state}`, Object.keys(row), events),
    ...events.flatMap((event) => {
      const where = `the table, ${state} × ${event}`;
      const cell = Object.hasOwn(row, event) ? row[event] : undefined;
      return cell === undefined
        ? [`${where}: no cell; expected a state, same, impossible or choose(…)`]
        : cellProblems(where, cell, states);
    }),
  ];
}

function cellProblems(where: string, cell: unknown, states: readonly string[]): string[] {
  if (!isObject(cell)) return targetProblems(where, [cell], states);
  const { label, among, decide } = cell as Partial<Choice>;
  if (typeof label === 'string' && Array.isArray(among) && typeof decide === 'function') {
    if (among.length === 0) return [`${where}: "${label}" has no cells to choose among`];
    return targetProblems(where, among, states);
  }
  return [`${where}: expected a state, same, impossible or choose(…)`];
}

function targetProblems(
  where: string,
  targets: readonly unknown[],
  states: readonly string[],
): string[] {
  const named = targets.filter((target) => target !== same && target !== impossible);
  return unknown('state', where, named, states);
}

function timerProblems({ states, events, table, after = {} }: TableOptions): string[] {
  return Object.entries(after).flatMap(([state, timers = {}]) => [
    ...unknown('state', 'after', [state], states),
    ...Object.entries(timers).flatMap(([duration, event]) => {
      const where = `after ${duration} in ${state}`;
      const problem = durationProblem(duration, 1);
      const row = Object.hasOwn(table, state) ? table[state] : undefined;
      const isLost = typeof event === 'string' && row?.[event] === impossible;
      return [
        ...(problem === undefined ? [] : [`${where}: ${problem}`]),
        ...unknown('event', where, [event], events),
        ...(isLost ? [`${where}: ${event} is impossible there, so the timer can do nothing`] : []),
      ];
    }),
  ]);
}

function activityProblems(activities: Activities, states: readonly string[]): string[] {
  return [
    ...unknown('state', 'activities', [...activities.keys()], states),
    ...[...activities].flatMap(([state, activity]) =>
      activity.kind === 'command' && activity.next !== undefined
        ? unknown('state', `activities, ${state}, next`, [activity.next], states)
        : [],
    ),
  ];
}

function copy(
  events: readonly string[],
  row: Readonly<Record<string, Cell>>,
): Readonly<Record<string, Cell>> {
  return Object.freeze(
    Object.fromEntries(events.map((event): [string, Cell] => [event, row[event]!])),
  );
}

function kindOf(
  state: string,
  row: Readonly<Record<string, Cell>>,
  activities: Activities,
): StateKind {
  if (activities.has(state)) return 'runnable';
  const leaves = (verdict: Verdict): boolean => typeof verdict === 'string' && verdict !== state;
  return Object.values(row).flatMap(verdictsOf).some(leaves) ? 'waiting' : 'terminal';
}

function timersOf({ after = {} }: TableOptions): Map<string, readonly Timer[]> {
  return new Map(
    Object.entries(after).map(([state, timers = {}]) => [
      state,
      Object.entries(timers)
        .map(([duration, event]) => ({ after: parseDuration(duration), event }))
        .sort((one, other) => one.after - other.after),
    ]),
  );
}
