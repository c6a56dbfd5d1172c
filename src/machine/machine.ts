/** Making a machine of what a user wrote: everything checked, every default filled in. */
import type {
  Activity,
  CommandActivity,
  Machine,
  MachineOptions,
  RetryOptions,
  RetryPolicy,
  RunnableActivity,
} from './definition.ts';
import { parseDuration } from './duration.ts';
import { UserError } from './errors.ts';

const MACHINE = Symbol.for('flockwork.machine');
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const DEFAULT_TIMEOUT = '5m';
/** What a timer can hold: 24 days. */
const LONGEST = 2 ** 31 - 1;

const KEYS = {
  machine: ['name', 'version', 'initial', 'activities'],
  tick: ['tick', 'timeout', 'retry'],
  command: ['run', 'next', 'env', 'cwd', 'timeout', 'retry'],
  retry: ['maximumAttempts', 'initialInterval', 'backoffCoefficient', 'maximumInterval'],
} as const;

/** Throws `bad-machine`, with what is wrong and where. */
export function machine(options: MachineOptions): Machine {
  checkKeys(options, KEYS.machine, 'the machine');
  const { name, version } = options;
  const badName = machineNameProblem(name);
  if (badName !== undefined) refuse(badName);
  if (version !== undefined && (typeof version !== 'string' || !NAME.test(version))) {
    refuse(`machine ${name}: ${JSON.stringify(version)} is no version; write it like '1.2'`);
  }
  const activities = new Map(
    Object.entries(options.activities ?? {}).map(([state, activity]) => [
      state,
      runnable(activity, `machine ${name}, state ${state}`),
    ]),
  );
  const [first] = activities.keys();
  if (first === undefined) refuse(`machine ${name} has no activities: nothing would ever run`);
  const initial = options.initial ?? first;
  if (!activities.has(initial)) {
    refuse(
      `machine ${name}: its initial state ${initial} has no activity; there are ${[...activities.keys()].join(', ')}`,
    );
  }
  return Object.freeze({ name, version, initial, activities, [MACHINE]: true });
}

/** Made by `machine()`, be it another copy of this package. */
export function isMachine(value: unknown): value is Machine {
  return typeof value === 'object' && value !== null && MACHINE in value;
}

function refuse(message: string): never {
  throw new UserError('bad-machine', message);
}

function checkKeys(value: unknown, known: readonly string[], what: string): void {
  if (typeof value !== 'object' || value === null) refuse(`${what} has to be an object`);
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    refuse(`${what} has the unknown key ${unknown.join(', ')}; there are ${known.join(', ')}`);
  }
}

function runnable(activity: Activity, where: string): RunnableActivity {
  if (typeof activity === 'function') return runnable({ tick: activity }, where);
  const isCommand = typeof activity === 'object' && activity !== null && 'run' in activity;
  checkKeys(activity, isCommand ? KEYS.command : KEYS.tick, where);
  const timeout = duration(activity.timeout ?? DEFAULT_TIMEOUT, `${where}, timeout`, 1);
  const common = { timeout, retry: retryPolicy(activity.retry ?? {}, `${where}, retry`) };
  if (isCommand) return { ...common, ...command(activity, where) };
  if (typeof activity.tick !== 'function') refuse(`${where}: tick has to be a function`);
  return { ...common, kind: 'tick', tick: activity.tick };
}

function command(
  { run, next, env, cwd }: CommandActivity,
  where: string,
): Omit<Extract<RunnableActivity, { kind: 'command' }>, 'timeout' | 'retry'> {
  if (typeof run !== 'string' || run.trim() === '')
    refuse(`${where}: run has to be a command line`);
  return { kind: 'command', run, next, env: env ?? {}, cwd: cwd ?? '.' };
}

function duration(value: number | string, where: string, least = 0): number {
  const problem = durationProblem(value, least);
  return problem === undefined ? parseDuration(value) : refuse(`${where}: ${problem}`);
}

/** Why this cannot be a timeout (`least` 1) or an interval (0), or undefined. */
export function durationProblem(value: number | string, least: number): string | undefined {
  try {
    const ms = parseDuration(value);
    return ms >= least && ms <= LONGEST
      ? undefined
      : `${value} has to be between ${least}ms and 24 days`;
  } catch (error) {
    return (error as Error).message;
  }
}

export function machineNameProblem(name: unknown): string | undefined {
  return typeof name === 'string' && NAME.test(name)
    ? undefined
    : `"${String(name)}" is no machine name: use letters, digits, dots, hyphens and underscores`;
}

function retryPolicy(options: RetryOptions, where: string): RetryPolicy {
  checkKeys(options, KEYS.retry, where);
  const policy: RetryPolicy = {
    maximumAttempts: options.maximumAttempts ?? 5,
    initialInterval: duration(options.initialInterval ?? '1s', `${where}, initialInterval`),
    backoffCoefficient: options.backoffCoefficient ?? 2,
    maximumInterval: duration(options.maximumInterval ?? '60s', `${where}, maximumInterval`),
  };
  if (!Number.isInteger(policy.maximumAttempts) || policy.maximumAttempts < 1) {
    refuse(`${where}: maximumAttempts has to be a whole number, at least 1`);
  }
  if (!(policy.backoffCoefficient >= 1))
    refuse(`${where}: backoffCoefficient has to be at least 1`);
  return policy;
}
