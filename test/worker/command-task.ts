/** A task whose activity is a command, for tests. */
import type { RunnableActivity } from '../../src/machine/definition.ts';
import type { TickTask } from '../../src/worker/ports.ts';

type Command = Extract<RunnableActivity, { kind: 'command' }>;

const retry = { maximumAttempts: 1, initialInterval: 0, backoffCoefficient: 1, maximumInterval: 0 };

export function commandTask(run: string, more: Partial<Command> = {}): TickTask {
  const common = { next: undefined, output: 'json', env: {}, cwd: '.', timeout: 60_000 } as const;
  return {
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
    activity: { kind: 'command', run, ...common, retry, ...more },
  };
}
