/** All options of all commands, and their names: `--log-level`, and in the environment `FLOCKWORK_LOG_LEVEL`. */
import { availableParallelism } from 'node:os';
import { LOCAL_PHASES, NETWORK_PHASES, type PhaseLengths } from '../volume/phases/cycle.ts';
import { MAX_CAPACITY, MAX_CONCURRENCY } from '../volume/token.ts';
import { TOOL_OPTIONS, type ToolSettings } from './options-tools.ts';

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

export interface Settings extends ToolSettings {
  dir: string[];
  name: string | undefined;
  assignment: number | undefined;
  commitment: number | undefined;
  update: number | undefined;
  buffer: number | undefined;
  lease: number | undefined;
  assign: 'slices' | 'zip';
  concurrency: number;
  threads: number | 'auto';
  capacity: number;
  follow: boolean;
  watch: boolean;
  fsync: boolean;
  eager: boolean;
  expect: number | undefined;
  gather: number;
  drain: number;
  keep: number;
  'keep-outcomes': number;
  machines: string[];
  'trust-volume': boolean;
  'example-delay': number;
  'log-format': 'pretty' | 'json';
  'log-level': string;
  workers: number | undefined;
  inbox: string[];
  machine: string | undefined;
  payload: string | undefined;
  count: number;
  'instance-name': string | undefined;
  each: boolean;
  from: string | undefined;
  'dry-run': boolean;
  json: boolean;
  all: boolean;
  done: boolean;
  'in-progress': boolean;
  failed: boolean;
  'worker-flags': boolean;
  yes: boolean;
  details: string | undefined;
  id: string | undefined;
  in: number;
  grace: number | undefined;
  wait: boolean;
  timeout: number | undefined;
  originator: string;
  config: string | undefined;
}

export type OptionName = keyof Settings;

const phase = (describe: string, part: keyof PhaseLengths): Option => ({
  type: 'duration',
  group: 'Timing of the volume',
  describe: `Length of ${describe}; set by the first worker of the volume`,
  defaultText: `${LOCAL_PHASES[part]}ms, on a network file system ${NETWORK_PHASES[part] / 1000}s`,
});

export const OPTIONS: Readonly<Record<OptionName, Option>> = {
  dir: {
    type: 'list',
    group: 'Where',
    value: 'path',
    describe: 'The volume: a directory that all workers share; may be repeated',
    default: ['stateFiles'],
    defaultText: 'stateFiles',
  },
  name: {
    type: 'string',
    group: 'Where',
    value: 'name',
    describe: "The worker's name, unique on the volume",
    defaultText: "HOSTNAME, else the host's name",
  },
  assignment: phase('the Worker Assignment phase', 'assignment'),
  commitment: phase('the Worker Commitment phase', 'commitment'),
  update: phase('the Update System phase', 'update'),
  buffer: phase('the buffer after each phase', 'buffer'),
  lease: {
    type: 'duration',
    group: 'Timing of the volume',
    describe:
      'Time without a heartbeat after which a worker counts as dead; set by the first worker of the volume',
    defaultText: '10s, on a network file system 30s',
  },
  assign: {
    type: 'string',
    group: 'Timing of the volume',
    describe: 'How states are split: fair slices, or one each in sorted order as the original does',
    choices: ['slices', 'zip'],
    default: 'slices',
  },
  concurrency: {
    type: 'number',
    group: 'Pace and limits',
    describe: 'Ticks at a time, over all volumes',
    default: Math.max(4, availableParallelism()),
    defaultText: 'CPUs, at least 4',
    minimum: 1,
    maximum: MAX_CONCURRENCY,
    integer: true,
  },
  threads: {
    type: 'number',
    group: 'Pace and limits',
    describe:
      "Threads for ticks of modules, one tick at a time in each; 0: the worker's own thread; auto: 0 until a tick blocks it",
    default: 'auto',
    or: 'auto',
    minimum: 0,
    integer: true,
  },
  capacity: {
    type: 'number',
    group: 'Pace and limits',
    describe: 'Maximum number of states held at a time, over all volumes',
    default: 16384,
    minimum: 1,
    maximum: MAX_CAPACITY,
    integer: true,
  },
  follow: {
    type: 'boolean',
    group: 'Pace and limits',
    describe: 'Continue with the successor of a state at once, while the phase lasts',
    default: true,
  },
  watch: {
    type: 'boolean',
    ambient: ['worker', 'up'],
    group: 'Pace and limits',
    describe: 'Run until stopped, even if nothing is left to do',
    default: false,
  },
  fsync: {
    type: 'boolean',
    group: 'Pace and limits',
    describe:
      'Sync each commit to disk before going on (--no-fsync: a power cut may lose the last ones)',
    default: true,
  },
  eager: {
    type: 'boolean',
    group: 'Pace and limits',
    describe:
      "Claim new states of the worker's own slice at once: latency of milliseconds, less even distribution",
    default: false,
  },
  expect: {
    type: 'number',
    group: 'Pace and limits',
    describe: 'Claim nothing until this many workers have registered, or 5 s have passed',
    defaultText: '1',
    minimum: 1,
    integer: true,
  },
  gather: {
    type: 'duration',
    group: 'Pace and limits',
    describe: 'Without --expect: claim nothing until no new worker has registered for this long',
    default: 0,
    defaultText: '0s',
  },
  drain: {
    type: 'duration',
    group: 'Pace and limits',
    describe: 'When stopped, time for running ticks to finish',
    default: 10_000,
    defaultText: '10s',
  },
  keep: {
    type: 'number',
    group: 'Pace and limits',
    describe: 'Done states that stay in the directory; older ones go to archive/, after an hour',
    default: 100_000,
    minimum: 0,
    integer: true,
  },
  'keep-outcomes': {
    type: 'duration',
    group: 'Pace and limits',
    describe:
      "How long outcomes of events stay: for that time, an event's id counts once; at least an hour",
    default: 7 * 86_400_000,
    defaultText: '168h',
    minimum: 3_600_000,
  },
  machines: {
    type: 'list',
    group: 'What runs',
    value: 'path',
    describe: 'Folder of machines (.ts, .js, .yaml, .json), or one such file; may be repeated',
    default: [],
  },
  'trust-volume': {
    type: 'boolean',
    group: 'What runs',
    describe: 'Run commands of configurations that are stored on the volume (config put)',
    default: false,
  },
  'example-delay': {
    type: 'number',
    group: 'What runs',
    describe: 'Factor for the pauses of ticks (`context.pause`): 0 skips them',
    default: 1,
    minimum: 0,
  },
  'log-format': {
    type: 'string',
    group: 'Output',
    describe: 'Format of the log on standard error',
    choices: ['pretty', 'json'],
    defaultText: 'pretty on a terminal, else json',
  },
  'log-level': {
    type: 'string',
    group: 'Output',
    describe: 'Lowest level that is logged',
    choices: ['silent', 'error', 'warn', 'info', 'debug'],
    default: 'info',
  },
  workers: {
    type: 'number',
    ambient: ['up'],
    group: 'What runs',
    describe:
      'Number of worker processes to run here; many more than CPUs make it slower: raise --concurrency or --threads instead',
    defaultText: 'CPUs',
    minimum: 1,
    integer: true,
  },
  inbox: {
    type: 'list',
    group: 'What runs',
    value: 'path',
    describe:
      'Hot folder outside the volume: .state files dropped into it are submitted (with --machine and --each, any file); may be repeated, with one --dir',
    default: [],
  },
  machine: {
    type: 'string',
    ambient: [],
    group: 'What runs',
    value: 'name',
    describe: 'Which machine, of several: NAME or NAME:VERSION',
  },
  payload: {
    type: 'string',
    ambient: [],
    group: 'What runs',
    value: 'json',
    describe: 'The payload of the new instances',
    defaultText: '{}',
  },
  count: {
    type: 'number',
    ambient: [],
    group: 'What runs',
    describe: 'Number of new instances',
    default: 1,
    minimum: 1,
    integer: true,
  },
  'instance-name': {
    type: 'string',
    ambient: [],
    group: 'What runs',
    flag: 'name',
    value: 'name',
    describe: 'Name of the new instance; of several, the prefix: NAME-1, NAME-2, …',
    defaultText: 'the machine and a random suffix',
  },
  each: {
    type: 'boolean',
    ambient: [],
    group: 'What runs',
    describe: 'An instance for each file in PATHS, with {"path": …} as its payload',
    default: false,
  },
  from: {
    type: 'string',
    ambient: [],
    group: 'What runs',
    value: 'path',
    describe: 'An instance for each line of this file, its payload as JSON; - is standard input',
  },
  'dry-run': {
    type: 'boolean',
    ambient: [],
    group: 'Output',
    describe: 'Check everything and print what would be submitted, but submit nothing',
    default: false,
  },
  json: { type: 'boolean', group: 'Output', describe: 'Print JSON, for programs', default: false },
  all: { type: 'boolean', ambient: [], group: 'What', describe: 'All of them', default: false },
  done: {
    type: 'boolean',
    ambient: [],
    group: 'What',
    describe: 'The done flags, and the successors of these states',
    default: false,
  },
  'in-progress': {
    type: 'boolean',
    ambient: [],
    group: 'What',
    describe: 'The claims of workers that are gone',
    default: false,
  },
  failed: {
    type: 'boolean',
    ambient: [],
    group: 'What',
    describe: 'The failed flags, and all attempts',
    default: false,
  },
  'worker-flags': {
    type: 'boolean',
    ambient: [],
    group: 'What',
    flag: 'workers',
    describe: 'The flags of workers that are gone, and of the original program',
    default: false,
  },
  yes: {
    type: 'boolean',
    ambient: [],
    group: 'What',
    describe: 'Do not ask for confirmation',
    default: false,
  },
  details: {
    type: 'string',
    ambient: [],
    group: 'What',
    value: 'json',
    describe: 'Data of the event, besides its name',
  },
  id: {
    type: 'string',
    ambient: [],
    group: 'What',
    describe: 'Idempotency key: an event of the same id is applied once',
    defaultText: 'a new one',
  },
  in: {
    type: 'duration',
    ambient: [],
    group: 'What',
    describe: 'Delay before the event is applied',
    default: 0,
    defaultText: 'at once',
  },
  grace: {
    type: 'duration',
    ambient: [],
    group: 'What',
    describe: 'Time to wait for an instance that does not exist yet',
    defaultText: '10s',
  },
  originator: {
    type: 'string',
    ambient: [],
    group: 'What',
    value: 'text',
    describe: 'Who or what sends the event: shown with its outcome',
    default: 'send',
  },
  timeout: {
    type: 'duration',
    ambient: [],
    group: 'What',
    describe: 'With --wait: maximum time to wait; the exit status is 3 after it',
    defaultText: 'no limit',
  },
  wait: {
    type: 'boolean',
    ambient: [],
    group: 'What',
    describe: 'Wait for the outcome and print it',
    default: false,
  },
  config: {
    type: 'string',
    group: 'Where',
    value: 'path',
    describe: 'File with settings (JSON or YAML): its keys are the names of options, without --',
    defaultText: 'flockwork.config.yaml, if it exists',
  },
  ...TOOL_OPTIONS,
};

/** The name on the command line. */
export function flagOf(option: OptionName): string {
  return OPTIONS[option].flag ?? option;
}

/** `log-level` → `FLOCKWORK_LOG_LEVEL`. */
export function environmentName(option: string): string {
  return `FLOCKWORK_${option.toUpperCase().replaceAll('-', '_')}`;
}

/** True if the command reads the option from the environment and the configuration file. */
export function isAmbient({ ambient }: Pick<Option, 'ambient'>, command?: string): boolean {
  return ambient === undefined || command === undefined || ambient.includes(command);
}
