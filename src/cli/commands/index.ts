/** All commands, in the groups and the order of `--help`. Each is loaded when it is called: a worker starts sooner. */
import type { Command } from '../command.ts';
import type { CommandGroup } from '../help.ts';

interface UnloadedGroup {
  readonly title: string;
  /** By name. */
  readonly commands: Readonly<Record<string, () => Promise<Command>>>;
}

const GROUPS: readonly UnloadedGroup[] = [
  {
    title: 'Work',
    commands: {
      worker: async () => (await import('./worker.ts')).worker,
      up: async () => (await import('./up.ts')).up,
      submit: async () => (await import('./submit.ts')).submit,
      send: async () => (await import('./send.ts')).send,
    },
  },
  {
    title: 'Look',
    commands: {
      status: async () => (await import('./status.ts')).status,
      list: async () => (await import('./list.ts')).list,
      show: async () => (await import('./show.ts')).show,
      results: async () => (await import('./results.ts')).results,
      outcome: async () => (await import('./outcome.ts')).outcome,
      log: async () => (await import('./log.ts')).log,
      health: async () => (await import('./health.ts')).health,
    },
  },
  {
    title: 'Change',
    commands: {
      retry: async () => (await import('./retry.ts')).retry,
      reset: async () => (await import('./reset.ts')).reset,
      pause: async () => (await import('./pause.ts')).pause,
      resume: async () => (await import('./pause.ts')).resume,
      config: async () => (await import('./config.ts')).config,
    },
  },
  {
    title: 'Check and draw',
    commands: {
      validate: async () => (await import('./validate.ts')).validate,
      check: async () => (await import('./check.ts')).checking,
      graph: async () => (await import('./graph.ts')).graph,
      sql: async () => (await import('./sql.ts')).sql,
    },
  },
  {
    title: 'Try and measure',
    commands: {
      doctor: async () => (await import('./doctor.ts')).doctor,
      simulate: async () => (await import('./simulate.ts')).simulation,
    },
  },
];

/** The command of this name only, or all of them if there is none. */
export async function loadCommands(name?: string): Promise<CommandGroup[]> {
  for (const { title, commands } of GROUPS) {
    const load = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (load !== undefined) return [{ title, commands: [await load()] }];
  }
  return Promise.all(
    GROUPS.map(async ({ title, commands }) => ({
      title,
      commands: await Promise.all(Object.values(commands).map((load) => load())),
    })),
  );
}
