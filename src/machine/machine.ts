/** Creates a machine from a user's options: validates everything, and fills in defaults. */
import { decideBy } from './decide.ts';
import type {
  Activity,
  CommandActivity,
  CommandOutput,
  Machine,
  MachineOptions,
  RetryOptions,
  RetryPolicy,
  RunnableActivity,
  TableOptions,
  StateLookup,
} from './definition.ts';
import { durationProblem, parseDuration } from './duration.ts';
import { UserError } from './errors.ts';
import { isObject } from './json-text.ts';
import { listProblems, resolveTable, type ResolvedTable } from './table.ts';
import { fullName } from './registry.ts';

const MACHINE = Symbol.for('flockwork.machine');
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const DEFAULT_TIMEOUT = '5m';

const OUTPUTS: readonly CommandOutput[] = ['json', 'text', 'none'];

const KEYS = {
  machine: ['name', 'version', 'initial', 'sensors', 'activities'],
  table: ['states', 'events', 'table', 'goals', 'after', 'hooks'],
  tick: ['tick', 'timeout', 'retry'],
  command: ['run', 'next', 'output', 'env', 'cwd', 'timeout', 'retry'],
  retry: [
    'maximumAttempts',
    'initialInterval',
    'backoffCoefficient',
    'maximumInterval',
    'nonRetryableExitStatuses',
  ],
} as const;

/** Throws `bad-machine`; the message says what is wrong and where. */
export function machine<const Name extends string, const State extends string>(
  options: MachineOptions<Name, State>,
): Machine;
/** With a table: throws `bad-machine`; the message lists everything that is wrong with the table. */
export function machine<
  const State extends string,
  const Event extends string,
  const Name extends string = string,
  const Run extends string = string,
>(options: TableOptions<State, Event, Name, Run>): Machine;
export function machine(options: MachineOptions | TableOptions): Machine {
  checkKeys(options, [...KEYS.machine, ...KEYS.table], 'the machine');
  const { name, version } = options;
  checkNames(options);
  const activities = new Map(
    Object.entries(options.activities ?? {}).map(([state, activity]) => [
      state,
      runnable(activity!, `machine ${name}, state ${state}`),
    ]),
  );
  const parts = hasTable(options)
    ? resolveTable(options, activities, hookActivities(options))
    : withoutTable(options, activities);
  const listed = { name, version, activities, ...parts };
  return finished({
    ...listed,
    lookup: ({ state }) => lookupState(listed, state),
    decide: decideBy(parts.rules),
  });
}

/** Throws `bad-machine`. */
export function checkNames({ name, version }: Pick<MachineOptions, 'name' | 'version'>): void {
  const badName = machineNameProblem(name);
  if (badName !== undefined) refuse(badName);
  if (version !== undefined && (typeof version !== 'string' || !NAME.test(version))) {
    refuse(
      `machine ${name}: ${JSON.stringify(version)} is not a valid version; write it like '1.2'`,
    );
  }
}

/** Freezes it, and marks it for `isMachine`. */
export function finished(parts: Machine): Machine {
  return Object.freeze({ ...parts, [MACHINE]: true });
}

function hasTable(options: MachineOptions | TableOptions): options is TableOptions {
  return KEYS.table.some((key) => (options as Partial<TableOptions>)[key] !== undefined);
}

function hookActivities({ name, hooks }: TableOptions): Map<string, RunnableActivity> {
  const { activities = {} } = hooks ?? {};
  if (!isObject(activities)) refuse(`machine ${name}: hooks.activities must be { name: activity }`);
  const all = Object.entries(activities);
  return new Map(
    all.map(([run, activity]) => {
      const where = `machine ${name}, hook ${run}`;
      if (isObject(activity) && 'next' in activity)
        refuse(`${where}: next is not for hooks; the transition says which state follows`);
      return [run, runnable(activity as Activity, where)];
    }),
  );
}

function withoutTable(
  { name, initial, sensors = [] }: MachineOptions,
  activities: Machine['activities'],
): Pick<Machine, keyof ResolvedTable> {
  const [first] = activities.keys();
  if (first === undefined) refuse(`machine ${name} has no activities, so nothing can run`);
  if (initial !== undefined && !activities.has(initial)) {
    refuse(
      `machine ${name}: the initial state ${initial} has no activity; there are ${[...activities.keys()].join(', ')}`,
    );
  }
  const [problem] = listProblems('sensor', sensors);
  if (problem !== undefined) refuse(`machine ${name}: ${problem}`);
  return {
    initial: initial ?? first,
    kinds: new Map([...activities.keys()].map((state) => [state, 'runnable'])),
    events: [],
    rules: undefined,
    sensors: Object.freeze([...sensors]),
    timers: new Map(),
  };
}

/** True for what `machine()` has created, even in another copy of this package. */
export function isMachine(value: unknown): value is Machine {
  return typeof value === 'object' && value !== null && MACHINE in value;
}

function refuse(message: string): never {
  throw new UserError('bad-machine', message);
}

function checkKeys(value: unknown, known: readonly string[], what: string): void {
  if (typeof value !== 'object' || value === null) refuse(`${what} must be an object`);
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    refuse(`${what} has the unknown key ${unknown.join(', ')}; expected ${known.join(', ')}`);
  }
}

/** Throws `bad-machine`. */
export function runnable(activity: Activity, where: string): RunnableActivity {
  if (typeof activity === 'function') return runnable({ tick: activity }, where);
  const isCommand = typeof activity === 'object' && activity !== null && 'run' in activity;
  checkKeys(activity, isCommand ? KEYS.command : KEYS.tick, where);
  const timeout = duration(activity.timeout ?? DEFAULT_TIMEOUT, `${where}, timeout`, 1);
  const common = { timeout, retry: retryPolicy(activity.retry ?? {}, `${where}, retry`) };
  if (isCommand) return { ...common, ...command(activity, where) };
  if (typeof activity.tick !== 'function') refuse(`${where}: tick must be a function`);
  if (common.retry.nonRetryableExitStatuses !== undefined) {
    refuse(`${where}, retry: nonRetryableExitStatuses is for commands; a tick throws FatalError`);
  }
  return { ...common, kind: 'tick', tick: activity.tick };
}

function command(
  { run, next, output = 'json', env, cwd }: CommandActivity,
  where: string,
): Omit<Extract<RunnableActivity, { kind: 'command' }>, 'timeout' | 'retry'> {
  if (typeof run !== 'string' || run.trim() === '') refuse(`${where}: run must be a command line`);
  if (!OUTPUTS.includes(output)) refuse(`${where}: output must be one of ${OUTPUTS.join(', ')}`);
  return { kind: 'command', run, next, output, env: env ?? {}, cwd: cwd ?? '.' };
}

function duration(value: number | string, where: string, least = 0): number {
  const problem = durationProblem(value, least);
  return problem === undefined ? parseDuration(value) : refuse(`${where}: ${problem}`);
}

export function machineNameProblem(name: unknown): string | undefined {
  return typeof name === 'string' && NAME.test(name)
    ? undefined
    : `"${String(name)}" is not a valid machine name: use letters, digits, dots, hyphens and underscores`;
}

function retryPolicy(options: RetryOptions, where: string): RetryPolicy {
  checkKeys(options, KEYS.retry, where);
  const policy: RetryPolicy = {
    maximumAttempts: options.maximumAttempts ?? 5,
    initialInterval: duration(options.initialInterval ?? '1s', `${where}, initialInterval`),
    backoffCoefficient: options.backoffCoefficient ?? 2,
    maximumInterval: duration(options.maximumInterval ?? '60s', `${where}, maximumInterval`),
    ...(options.nonRetryableExitStatuses !== undefined && {
      nonRetryableExitStatuses: exitStatuses(options.nonRetryableExitStatuses, where),
    }),
  };
  if (!Number.isInteger(policy.maximumAttempts) || policy.maximumAttempts < 1) {
    refuse(`${where}: maximumAttempts must be a whole number, at least 1`);
  }
  if (!(policy.backoffCoefficient >= 1)) refuse(`${where}: backoffCoefficient must be at least 1`);
  return policy;
}

function exitStatuses(statuses: readonly number[], where: string): readonly number[] {
  const isStatus = (one: unknown): boolean =>
    Number.isInteger(one) && (one as number) >= 1 && (one as number) <= 255;
  if (Array.isArray(statuses) && statuses.every(isStatus)) return Object.freeze([...statuses]);
  return refuse(`${where}: nonRetryableExitStatuses must be a list of numbers from 1 to 255`);
}

type Listed = Pick<Machine, 'name' | 'version' | 'initial' | 'activities' | 'kinds' | 'rules'>;

/** The machine's own name stands for its initial state. */
function lookupState(listed: Listed, named: string): StateLookup {
  const { name, initial, kinds, activities } = listed;
  const state = !kinds.has(named) && named === name ? initial : named;
  const activity = activities.get(state);
  if (activity !== undefined) return { kind: 'runnable', state, activity };
  const kind = kinds.get(state);
  if (kind === 'waiting' || kind === 'terminal') return { kind, state };
  return { kind: 'not-found', code: 'unknown-state', reason: `machine ${whyNot(listed, state)}` };
}

function whyNot(listed: Listed, state: string): string {
  const { activities, kinds, rules } = listed;
  const name = fullName(listed);
  if (rules !== undefined && !kinds.has(state)) {
    return `${name} has no state "${state}"; there are ${[...kinds.keys()].join(', ')}`;
  }
  return `${name} has no activity in state "${state}"; there are ${[...activities.keys()].join(', ')}`;
}
