/** Validates a user's transition table, and reports every problem at once. */
import type { Rules } from './decide.ts';
import type { RunnableActivity, StateKind, TableOptions, Timer } from './definition.ts';
import { durationProblem, parseDuration } from './duration.ts';
import { UserError } from './errors.ts';
import { isObject } from './json-text.ts';
import {
  impossible,
  same,
  verdictName,
  verdictsOf,
  type Cell,
  type Choice,
  type Verdict,
} from './table.ts';

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
