/** Tasks to execute, for tests: the first attempt of `x.state`, with nothing but its activity. */
import type { Answer } from '../../src/machine/answer.ts';
import type { RunnableActivity, TickContext } from '../../src/machine/definition.ts';
import type { TickTask } from '../../src/worker/ports.ts';

type Command = Extract<RunnableActivity, { kind: 'command' }>;

const retry = { maximumAttempts: 1, initialInterval: 0, backoffCoefficient: 1, maximumInterval: 0 };

export const taskOf = (activity: RunnableActivity, more: Partial<TickTask> = {}): TickTask => ({
  instance: 'x',
  name: 'x.state',
  machine: 'm',
  state: 's',
  payload: {},
  attempt: 1,
  outputs: {},
  idempotencyKey: 'k',
  sensors: {},
  history: async () => [],
  activity,
  ...more,
});

/** `tick` may do what the types forbid. */
export const tickTask = (
  tick: (context: TickContext) => unknown,
  more: Partial<TickTask> = {},
): TickTask => taskOf({ kind: 'tick', tick: tick as () => Answer, timeout: 1000, retry }, more);

export function commandTask(run: string, more: Partial<Command> = {}): TickTask {
  const common = { next: undefined, output: 'json', env: {}, cwd: '.', timeout: 60_000 } as const;
  return taskOf({ kind: 'command', run, ...common, retry, ...more });
}
