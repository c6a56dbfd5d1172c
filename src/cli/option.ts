/** An option: its type, its help, and its names on the command line and in the environment. */

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
  /** Placeholder of the value in `--help`, if not the type: `path`, `json`. */
  readonly value?: string;
  /** The name on the command line, if it differs: two commands may use one flag differently. */
  readonly flag?: string;
  /**
   * Commands that read it from the environment and the configuration file. Empty for options that concern one call only,
   * such as what to remove or to send. Default: all.
   */
  readonly ambient?: readonly string[];
  readonly default?: unknown;
  /** For `--help`, if the default is not constant. */
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

/** True if the command reads the option from the environment and the configuration file. */
export function isAmbient({ ambient }: Pick<Option, 'ambient'>, command?: string): boolean {
  return ambient === undefined || command === undefined || ambient.includes(command);
}
