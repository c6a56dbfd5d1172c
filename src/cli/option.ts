/** What an option is: its type, what its help says, and its names on the command line and in the environment. */

/** Headings of the options in `--help`, in this order. */
export const GROUPS = [
  'Where',
  'Which',
  'What',
  'What runs',
  'Pace and limits',
  'Timing of the volume',
  'The runs',
  'Output',
] as const;
export type Group = (typeof GROUPS)[number];

export interface Option {
  readonly type: 'string' | 'number' | 'boolean' | 'duration' | 'list';
  readonly group: Group;
  readonly describe: string;
  /** What `--help` writes for the value, where the type does not say it: `path`, `json`. */
  readonly value?: string;
  /** Its name on the command line, where that is not its own: two commands may mean different things by one name. */
  readonly flag?: string;
  /**
   * Commands for which the environment and the configuration file may say it, where it would mean something else to
   * others; none where it concerns one call only: what removes, what is sent. Default: all.
   */
  readonly ambient?: readonly string[];
  readonly default?: unknown;
  /** For `--help`, where the default depends on something. */
  readonly defaultText?: string;
  readonly choices?: readonly string[];
  /** Numbers only: a word that is allowed as well. */
  readonly or?: string;
  /** Numbers only. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly integer?: boolean;
}

/** `log-level` → `FLOCKWORK_LOG_LEVEL`. */
export function environmentName(option: string): string {
  return `FLOCKWORK_${option.toUpperCase().replaceAll('-', '_')}`;
}

/** Whether this command takes it from the environment and the configuration file too. */
export function isAmbient({ ambient }: Pick<Option, 'ambient'>, command?: string): boolean {
  return ambient === undefined || command === undefined || ambient.includes(command);
}
