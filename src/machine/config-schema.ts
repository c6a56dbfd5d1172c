/** The JSON Schema of a configuration, and the checks that it cannot express, which report every problem with its path. */
import { z } from 'zod';
import type { CommandActivity, Machine } from './definition.ts';
import { durationProblem } from './duration.ts';
import { machineNameProblem } from './machine.ts';
import { isObject } from './json-text.ts';
import { suggestion } from './errors.ts';
import { impossible, verdictsOf } from './table.ts';
import { lazy } from './lazy.ts';

/** Checks of `machine()`, repeated here so that every problem is reported with its position. */
function mustHave<T>(
  problemOf: (value: T) => string | undefined,
): (value: T, context: z.RefinementCtx) => void {
  return (value, context) => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  };
}

const duration = (least: number): z.ZodType<number | string> =>
  z
    .union([z.number(), z.string()])
    .superRefine(mustHave((value) => durationProblem(value, least)))
    .describe('Milliseconds, or 150ms, 1.5s, 2m, 1h');

/** The parts of a configuration, and the whole. */
const schemas = lazy(() => {
  const retry = z.strictObject({
    maximumAttempts: z.int().min(1).optional(),
    initialInterval: duration(0).optional(),
    backoffCoefficient: z.number().min(1).optional(),
    maximumInterval: duration(0).optional(),
    nonRetryableExitStatuses: z
      .array(z.int().min(1).max(255))
      .optional()
      .describe(
        'An exit status of the command that is listed here is not retried; nor are 126 and 127',
      ),
  });

  const hook = z.strictObject({
    run: z
      .string()
      .min(1)
      .refine((line) => line.trim() !== '', 'expected a command line')
      .describe('Command line for /bin/sh -c: the state as JSON on stdin, the answer on stdout'),
    output: z
      .enum(['json', 'text', 'none'])
      .optional()
      .describe(
        'Meaning of standard output: json (default), an answer; text, the output of a last step, otherwise logged; none, ignored',
      ),
    timeout: duration(1).optional(),
    retry: retry.optional(),
    env: z.record(z.string(), z.coerce.string()).optional(),
    cwd: z.string().optional().describe("Working directory, relative to this file's folder"),
  });

  const activity = hook.extend({
    next: z.string().optional().describe('The state that follows unless the command names one'),
  });

  const named = z.string().min(1);

  const transition = z.strictObject({
    from: named,
    to: named,
    event: named,
    run: named.optional().describe('The hook that runs after the transition'),
  });

  const table = {
    states: z.array(named).optional().describe('All of them; required with transitions'),
    transitions: z
      .array(transition)
      .min(1)
      .optional()
      .describe('An event without a transition from a state is not allowed there'),
    after: z
      .record(z.string(), z.record(z.string(), named))
      .optional()
      .describe(
        'State, duration, event: sent to the instance itself unless it has left the state by then',
      ),
    goals: z
      .record(z.string(), named)
      .optional()
      .describe(
        'Event, goal: what the instance works toward from that event on, kept as payload.goal',
      ),
  };

  const configuration = z
    .object({
      $schema: z.string().optional(),
      name: z.string().min(1).superRefine(mustHave(machineNameProblem)),
      version: z.coerce.string().optional(),
      starting_state: z.string(),
      ...table,
      activities: z.record(z.string(), activity).optional(),
      hooks: z
        .record(z.string(), hook)
        .optional()
        .describe(
          'Commands that run after transitions: the instance takes no event until they end',
        ),
    })
    .meta({ title: 'Flockwork machine configuration' });

  return { retry, hook, activity, transition, table, configuration };
});

/** @internal */
export const configurationSchema = (): z.ZodType => schemas().configuration;

const knownKeys = (): string[] => Object.keys(schemas().configuration.shape);

interface Transition {
  from: string;
  to: string;
  event: string;
  /** The name of a hook. */
  run?: string;
}

/** The transition table of a configuration. */
export interface TablePart {
  states?: string[];
  transitions?: Transition[];
  /** Its keys are not yet checked to be durations. */
  after?: Record<string, Record<string, string>>;
  goals?: Record<string, string>;
}

export interface Configuration extends TablePart {
  name: string;
  version?: string;
  starting_state: string;
  activities?: Record<string, CommandActivity>;
  hooks?: Record<string, Omit<CommandActivity, 'next'>>;
}

/** The keys of the table whose values have the right shape. */
function tablePart(value: Readonly<Record<string, unknown>>): TablePart {
  const parts = Object.entries(schemas().table).map(([key, part]) => {
    const checked = part.safeParse(value[key]);
    return [key, checked.success ? checked.data : undefined] as const;
  });
  return Object.fromEntries(parts.filter(([, data]) => data !== undefined)) as TablePart;
}

/** The known keys of the object at `path`. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  const { retry, transition, hook, activity } = schemas();
  const part = path.includes('retry')
    ? retry
    : path[0] === 'transitions'
      ? transition
      : path[0] === 'hooks'
        ? hook
        : activity;
  return Object.keys(part.shape);
}

export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Puts the path into the message: the position that is printed may be that of an enclosing key. */
function problem(path: readonly PropertyKey[], message: string): Problem {
  return {
    path,
    message: path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
  };
}

export function meaningProblems(value: unknown): Problem[] {
  if (!isObject(value)) return [];
  const part = tablePart(value);
  return [
    ...keyProblems(value),
    ...textProblems(value),
    ...('transitions' in value ? tableProblems(part, hookNames(value)) : missingTable(value)),
    ...stateProblems(value, part.states ?? []),
  ];
}

function keyProblems(value: object): Problem[] {
  return Object.keys(value)
    .filter((key) => !knownKeys().includes(key) && !key.startsWith('x-'))
    .map((key) => ({
      path: [key],
      message: `unknown key ${key}${suggestion(key, knownKeys())}; your own begin with x-`,
    }));
}

/** Values that the schema would coerce to "null" or "[object Object]". */
function textProblems({ version, activities, hooks }: Partial<Configuration>): Problem[] {
  const needsText = (path: readonly string[], text: unknown): Problem[] =>
    typeof text === 'object' ? [problem(path, 'expected text or a number')] : [];
  return [
    ...needsText(['version'], version),
    ...Object.entries({ activities, hooks }).flatMap(([part, commands]) =>
      Object.entries(commands ?? {}).flatMap(([key, command]) =>
        Object.entries(command?.env ?? {}).flatMap(([name, text]) => {
          const path = [part, key, 'env', name];
          const wrong = variableProblem(name, text);
          return [...needsText(path, text), ...(wrong === undefined ? [] : [problem(path, wrong)])];
        }),
      ),
    ),
  ];
}

/** Rejects what cannot be an environment variable. */
function variableProblem(name: string, text: unknown): string | undefined {
  if (/[=\0]/.test(name) || name === '') return `"${name}" is not a valid variable name`;
  return String(text).includes('\0') ? 'a variable cannot contain a null character' : undefined;
}

function missingTable(value: object): Problem[] {
  const needing = ['after', 'goals', 'hooks'].filter((key) => key in value);
  const problems = needing.map((key) =>
    problem([key], 'expected transitions too, to which these belong'),
  );
  if ('activities' in value) return problems;
  return [...problems, problem([], 'expected activities or transitions; there are neither')];
}

/** Named states must exist and, in a machine without events, have an activity. */
function stateProblems(
  { starting_state: start, activities, ...value }: Partial<Configuration>,
  states: readonly string[],
): Problem[] {
  const runnable = Object.keys(activities ?? {});
  const hasTable = 'transitions' in value;
  const known = new Set(hasTable ? states : [...runnable, ...states]);
  const needs = (path: readonly string[], state: unknown): Problem[] => {
    if (typeof state !== 'string' || runnable.includes(state) || (hasTable && known.has(state))) {
      return [];
    }
    const message = known.has(state) ? `state ${state} has no activity` : noState(state, known);
    return [problem(path, message)];
  };
  const strangers = hasTable ? runnable.filter((state) => !known.has(state)) : [];
  return [
    ...needs(['starting_state'], start),
    ...strangers.map((state) => problem(['activities', state], noState(state, known))),
    ...runnable.flatMap((state) => needs(['activities', state, 'next'], activities![state]?.next)),
  ];
}

function noState(state: string, known: Iterable<string>): string {
  return `there is no state ${state}${suggestion(state, [...known])}`;
}

function hookNames({ hooks }: { readonly hooks?: unknown }): string[] {
  return isObject(hooks) ? Object.keys(hooks) : [];
}

function tableProblems(
  { states, transitions, after = {}, goals = {} }: TablePart,
  hooks: readonly string[],
): Problem[] {
  if (states === undefined) {
    return [problem(['states'], 'transitions need a list of states')];
  }
  // Its shape is wrong, which is reported already.
  if (transitions === undefined) return [];
  const events = new Set(transitions.map(({ event }) => event));
  const first = new Map(
    transitions
      .map(({ from, event }, index) => [pairKey(from, event), index] as const)
      .toReversed(),
  );
  const known = (path: readonly PropertyKey[], state: string): Problem[] =>
    states.includes(state) ? [] : [problem(path, noState(state, states))];
  return [
    ...states.flatMap((state, index) =>
      states.indexOf(state) === index
        ? []
        : [problem(['states', index], `state ${state} is listed twice`)],
    ),
    ...transitions.flatMap(({ from, to, event, run }, index) => {
      const earlier = first.get(pairKey(from, event))!;
      return [
        ...known(['transitions', index, 'from'], from),
        ...known(['transitions', index, 'to'], to),
        ...(run === undefined || hooks.includes(run)
          ? []
          : [
              problem(
                ['transitions', index, 'run'],
                `there is no hook ${run}${suggestion(run, hooks)}`,
              ),
            ]),
        ...(earlier === index
          ? []
          : [
              problem(
                ['transitions', index],
                `transitions.${earlier} has ${event} from ${from} already`,
              ),
            ]),
      ];
    }),
    ...Object.entries(after).flatMap(([state, timers]) => [
      ...known(['after', state], state),
      ...Object.entries(timers).flatMap(([delay, event]) => {
        const path = ['after', state, delay];
        const wrong = durationProblem(delay, 1);
        return [
          ...(wrong === undefined ? [] : [problem(path, wrong)]),
          ...(first.has(pairKey(state, event)) || !states.includes(state)
            ? []
            : [problem(path, `no transition from ${state} has event ${event}`)]),
        ];
      }),
    ]),
    ...hooks
      .filter((hook) => !transitions.some(({ run }) => run === hook))
      .map((hook) => problem(['hooks', hook], 'no transition runs this hook')),
    ...Object.keys(goals)
      .filter((event) => !events.has(event))
      .map((event) =>
        problem(['goals', event], `there is no event ${event}${suggestion(event, [...events])}`),
      ),
  ];
}

/** A key of a state and an event. */
export function pairKey(state: string, event: string): string {
  return JSON.stringify([state, event]);
}

/**
 * States that are neither in a transition, nor a command's `next`, nor the initial one, unless nothing can happen in that. In
 * the order of the table.
 */
export function unusedStates({ initial, kinds, rules, activities }: Machine): string[] {
  if (rules === undefined) return [];
  const used = new Set(activities.has(initial) ? [initial] : []);
  for (const [state, row] of Object.entries(rules.table)) {
    for (const verdict of Object.values(row).flatMap(verdictsOf)) {
      if (verdict === impossible) continue;
      used.add(state);
      if (typeof verdict === 'string') used.add(verdict);
    }
  }
  for (const activity of activities.values()) {
    if (activity.kind === 'command' && activity.next !== undefined) used.add(activity.next);
  }
  return [...kinds.keys()].filter((state) => !used.has(state));
}
