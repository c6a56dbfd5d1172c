/** Every option of every command, once. Each has an environment twin: `--log-level`, `FLOCKWORK_LOG_LEVEL`. */
import { availableParallelism } from 'node:os';
import { LOCAL_PHASES, NETWORK_PHASES, type PhaseLengths } from '../semaphore/cycle.ts';

export interface Settings {
  dir: string[];
  name: string | undefined;
  assignment: number | undefined;
  commitment: number | undefined;
  update: number | undefined;
  buffer: number | undefined;
  lease: number | undefined;
  assign: 'slices' | 'zip';
  concurrency: number;
  threads: number;
  capacity: number;
  follow: boolean;
  watch: boolean;
  fsync: boolean;
  eager: boolean;
  expect: number | undefined;
  gather: number;
  drain: number;
  keep: number;
  machines: string[];
  'trust-volume': boolean;
  'example-delay': number;
  'log-format': 'pretty' | 'json';
  'log-level': string;
  workers: number | undefined;
  machine: string | undefined;
  payload: string | undefined;
  count: number;
  state: string | undefined;
  status: 'done' | 'failed' | 'in-progress' | 'waiting' | 'available' | undefined;
  prefix: string | undefined;
  after: string | undefined;
  limit: number | undefined;
  jsonl: boolean;
  json: boolean;
  all: boolean;
  done: boolean;
  'in-progress': boolean;
  failed: boolean;
  yes: boolean;
  seed: string | undefined;
  base: number | undefined;
  seeds: number;
  states: number | undefined;
  minutes: number | undefined;
  trace: string | undefined;
  shrink: boolean;
  scale: boolean;
  network: boolean;
  tick: number;
  leaves: 'nothing' | 'output' | 'successor';
  through: string[];
  details: string | undefined;
  id: string | undefined;
  in: number;
  grace: number | undefined;
  wait: boolean;
  format: 'mermaid' | 'dot' | 'svg' | 'matrix';
  'max-states': number | undefined;
  mermaid: boolean;
  dialect: 'mysql' | 'postgresql';
  table: string | undefined;
  column: string;
  config: string | undefined;
}

export type OptionName = keyof Settings;

export interface Option {
  readonly type: 'string' | 'number' | 'boolean' | 'duration' | 'list';
  readonly describe: string;
  readonly default?: unknown;
  /** For `--help`, where the default depends on something. */
  readonly defaultText?: string;
  readonly choices?: readonly string[];
  /** Numbers only. */
  readonly minimum?: number;
  readonly integer?: boolean;
}

const phase = (describe: string, part: keyof PhaseLengths): Option => ({
  type: 'duration',
  describe: `Length of ${describe}; the first worker decides for the volume`,
  defaultText: `${LOCAL_PHASES[part]}ms, on a network file system ${NETWORK_PHASES[part] / 1000}s`,
});

export const OPTIONS: Readonly<Record<OptionName, Option>> = {
  dir: {
    type: 'list',
    describe:
      "The volume: a directory that all workers share; may be repeated, or be a pattern ('/mnt/vol-*')",
    default: ['stateFiles'],
    defaultText: 'stateFiles',
  },
  name: {
    type: 'string',
    describe: "This worker's name, its own on this volume (up: what its workers' names begin with)",
    defaultText: 'HOSTNAME',
  },
  assignment: phase('the Worker Assignment phase', 'assignment'),
  commitment: phase('the Worker Commitment phase', 'commitment'),
  update: phase('the Update System phase', 'update'),
  buffer: phase('the buffer after each phase', 'buffer'),
  lease: {
    type: 'duration',
    describe: 'A worker silent for so long counts as dead; the first worker decides for the volume',
    defaultText: '10s, on a network file system 30s',
  },
  assign: {
    type: 'string',
    describe: 'How states are split: fair slices, or one each in sorted order as the original does',
    choices: ['slices', 'zip'],
    default: 'slices',
  },
  concurrency: {
    type: 'number',
    describe: 'Ticks at the same time',
    default: Math.max(4, availableParallelism()),
    defaultText: 'CPUs, at least 4',
    minimum: 1,
    integer: true,
  },
  threads: {
    type: 'number',
    describe: "Threads for the ticks of modules, one at a time in each; 0: the worker's own",
    default: 0,
    minimum: 0,
    integer: true,
  },
  capacity: {
    type: 'number',
    describe: 'States held at the same time, at most',
    default: 16384,
    minimum: 1,
    integer: true,
  },
  follow: {
    type: 'boolean',
    describe: 'Go on with the successor of a state at once, while the phase lasts',
    default: true,
  },
  watch: { type: 'boolean', describe: 'Go on for ever (status: a live view)', default: false },
  fsync: {
    type: 'boolean',
    describe: 'Make every commit survive a power cut before going on (--no-fsync: it may not)',
    default: true,
  },
  eager: {
    type: 'boolean',
    describe:
      'Claim at once what arrives in one’s own slice: milliseconds instead of a cycle, less evenly spread',
    default: false,
  },
  expect: {
    type: 'number',
    describe: 'Claim nothing before so many workers are registered, or 5 s have passed',
    defaultText: 'up: as many as it starts; worker: 1',
    minimum: 1,
    integer: true,
  },
  gather: {
    type: 'duration',
    describe: 'Without --expect: claim nothing before no new worker has registered for so long',
    default: 0,
  },
  drain: {
    type: 'duration',
    describe: 'When told to stop, time for running ticks to finish',
    default: 10_000,
    defaultText: '10s',
  },
  keep: {
    type: 'number',
    describe: 'Done states that stay in the directory; older ones go to archive/, after an hour',
    default: 100_000,
    minimum: 0,
    integer: true,
  },
  machines: {
    type: 'list',
    describe: 'Folder of machines (.ts, .js, .yaml, .json), or one such file; may be repeated',
    default: [],
  },
  'trust-volume': {
    type: 'boolean',
    describe: 'Run commands of configurations that are stored on the volume (config put)',
    default: false,
  },
  'example-delay': {
    type: 'number',
    describe: 'Factor for the pauses of ticks (`context.pause`): 0 skips them',
    default: 1,
    minimum: 0,
  },
  'log-format': {
    type: 'string',
    describe: 'Logs on standard error',
    choices: ['pretty', 'json'],
    defaultText: 'pretty on a terminal, else json',
  },
  'log-level': {
    type: 'string',
    describe: 'How much to log',
    choices: ['silent', 'error', 'warn', 'info', 'debug'],
    default: 'info',
  },
  workers: {
    type: 'number',
    describe: 'Worker processes to run here (simulate: in each run; with --scale: to predict for)',
    defaultText: '4; simulate: as the seed says',
    minimum: 1,
    integer: true,
  },
  machine: {
    type: 'string',
    describe: 'This machine: NAME or NAME:VERSION (submit: make new instances of it)',
  },
  payload: { type: 'string', describe: 'Their payload, JSON' },
  count: { type: 'number', describe: 'How many of them', default: 1, minimum: 1, integer: true },
  state: { type: 'string', describe: 'Instances in this state' },
  status: {
    type: 'string',
    describe: 'Instances of this status',
    choices: ['done', 'failed', 'in-progress', 'waiting', 'available'],
  },
  prefix: { type: 'string', describe: 'Instances whose names begin so' },
  after: { type: 'string', describe: 'Instances after this one, by name' },
  limit: {
    type: 'number',
    describe: 'How many at most',
    defaultText: '100; with --json all',
    minimum: 1,
    integer: true,
  },
  jsonl: {
    type: 'boolean',
    describe: 'The same as --json: one JSON object a line',
    default: false,
  },
  json: { type: 'boolean', describe: 'Output for programs', default: false },
  all: { type: 'boolean', describe: 'All of them', default: false },
  done: {
    type: 'boolean',
    describe: 'The done flags, and the successors they led to',
    default: false,
  },
  'in-progress': {
    type: 'boolean',
    describe: 'The claims of workers that are gone',
    default: false,
  },
  failed: { type: 'boolean', describe: 'The failed flags, and all attempts', default: false },
  yes: { type: 'boolean', describe: 'Do not ask', default: false },
  seed: { type: 'string', describe: 'Replay one run', defaultText: 'many, from --base on' },
  base: {
    type: 'number',
    describe: 'The first of many seeds, a whole number',
    defaultText: 'random',
    minimum: 0,
    integer: true,
  },
  seeds: { type: 'number', describe: 'How many runs', default: 1000, minimum: 1, integer: true },
  states: {
    type: 'number',
    describe: 'State files in each run (with --scale: to predict for)',
    defaultText: 'as the seed says',
    minimum: 1,
    integer: true,
  },
  minutes: {
    type: 'number',
    describe: 'Virtual minutes with faults, before they stop',
    defaultText: 'as the seed says',
    minimum: 0,
  },
  trace: { type: 'string', describe: 'File for what happens in the run, one line an event' },
  shrink: {
    type: 'boolean',
    describe: 'Look for the fewest faults that still make it fail',
    default: false,
  },
  scale: {
    type: 'boolean',
    describe:
      'Predict what fleets of any size ask of their volume, from counted runs without faults',
    default: false,
  },
  network: {
    type: 'boolean',
    describe: 'With --scale: the phases and the lease of network file systems',
    default: false,
  },
  tick: {
    type: 'duration',
    describe: 'With --scale: how long a tick takes, 100ms at least',
    default: 1000,
    defaultText: '1s',
  },
  leaves: {
    type: 'string',
    describe: 'With --scale: what each step leaves behind besides its flag',
    choices: ['nothing', 'output', 'successor'],
    default: 'nothing',
  },
  through: {
    type: 'list',
    describe: 'Another mount point of the same directory on this host; may be repeated',
    default: [],
  },
  details: { type: 'string', describe: 'What the event says besides its name, JSON' },
  id: {
    type: 'string',
    describe: 'The same id twice is the same event: its outcome is that of the first',
    defaultText: 'a new one',
  },
  in: { type: 'duration', describe: 'Not before so much time has passed', default: 0 },
  grace: {
    type: 'duration',
    describe: 'How long it waits for an instance that is not there yet',
    defaultText: '10s',
  },
  wait: { type: 'boolean', describe: 'Wait for the outcome, and print it', default: false },
  format: {
    type: 'string',
    describe: 'What to draw it in',
    choices: ['mermaid', 'dot', 'svg', 'matrix'],
    default: 'mermaid',
  },
  'max-states': {
    type: 'number',
    describe: 'Give up when so many states have been found',
    defaultText: 'as many as there are',
    minimum: 1,
    integer: true,
  },
  mermaid: {
    type: 'boolean',
    describe: 'What is found as Mermaid sequence diagrams',
    default: false,
  },
  dialect: {
    type: 'string',
    describe: 'Which database the statements are for; MariaDB is as MySQL',
    choices: ['mysql', 'postgresql'],
    default: 'mysql',
  },
  table: {
    type: 'string',
    describe: 'The table, with a column id',
    defaultText: "the machine's name",
  },
  column: { type: 'string', describe: 'The column that holds the state', default: 'state' },
  config: {
    type: 'string',
    describe: 'File with settings (JSON or YAML), keys as these options',
    defaultText: 'flockwork.config.yaml, if there',
  },
};

/** `log-level` → `FLOCKWORK_LOG_LEVEL`. */
export function environmentName(option: string): string {
  return `FLOCKWORK_${option.toUpperCase().replaceAll('-', '_')}`;
}
