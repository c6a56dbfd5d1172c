/** Options of `list`, `results`, `check`, `graph`, `sql`, `simulate` and `doctor`. */
import type { SimulatedEngine } from '../sim/campaign.ts';
import type { Option } from './options.ts';

export interface ToolSettings {
  state: string | undefined;
  status: 'done' | 'failed' | 'in-progress' | 'waiting' | 'available' | undefined;
  prefix: string | undefined;
  after: string | undefined;
  limit: number | undefined;
  jsonl: boolean;
  engine: SimulatedEngine;
  seed: string | undefined;
  base: number | undefined;
  seeds: number;
  states: number | undefined;
  minutes: number | undefined;
  trace: string | undefined;
  shrink: boolean;
  through: string[];
  format: 'mermaid' | 'dot' | 'svg' | 'matrix';
  'max-states': number | undefined;
  mermaid: boolean;
  dialect: 'mysql' | 'postgresql';
  table: string | undefined;
  column: string;
}

export const TOOL_OPTIONS: Readonly<Record<keyof ToolSettings, Option>> = {
  state: { type: 'string', group: 'Which', value: 'name', describe: 'Instances in this state' },
  status: {
    type: 'string',
    group: 'Which',
    describe: 'Instances of this status',
    choices: ['done', 'failed', 'in-progress', 'waiting', 'available'],
  },
  prefix: { type: 'string', group: 'Which', describe: 'Instances whose names have this prefix' },
  after: {
    type: 'string',
    group: 'Which',
    value: 'name',
    describe: 'Instances after this one, by name',
  },
  limit: {
    type: 'number',
    group: 'Which',
    describe: 'Maximum number of lines',
    defaultText: '100; with --json all',
    minimum: 1,
    integer: true,
  },
  jsonl: {
    type: 'boolean',
    group: 'Output',
    describe: 'The same as --json: one JSON object a line',
    default: false,
  },
  engine: {
    type: 'string',
    group: 'The runs',
    describe: 'Engine that the workers share',
    choices: ['volume', 'memory'],
    default: 'volume',
  },
  seed: {
    type: 'string',
    group: 'The runs',
    describe: 'Replay the run of this seed',
    defaultText: 'many, starting with --base',
  },
  base: {
    type: 'number',
    group: 'The runs',
    describe: 'The first of the seeds',
    defaultText: 'random',
    minimum: 0,
    integer: true,
  },
  seeds: {
    type: 'number',
    group: 'The runs',
    describe: 'Number of runs',
    default: 1000,
    minimum: 1,
    integer: true,
  },
  states: {
    type: 'number',
    group: 'The runs',
    describe: 'Number of state files in each run',
    defaultText: 'as the seed says',
    minimum: 1,
    integer: true,
  },
  minutes: {
    type: 'number',
    group: 'The runs',
    describe: 'Virtual minutes with faults',
    defaultText: 'as the seed says',
    minimum: 0,
  },
  trace: {
    type: 'string',
    group: 'The runs',
    value: 'path',
    describe: 'With --seed or --shrink: file for the trace of the run, one line for each event',
  },
  shrink: {
    type: 'boolean',
    group: 'The runs',
    describe: 'Search for the fewest faults with which a failed run still fails',
    default: false,
  },
  through: {
    type: 'list',
    group: 'Where',
    value: 'path',
    describe: 'Another mount point of the same directory on this host; may be repeated',
    default: [],
  },
  format: {
    type: 'string',
    group: 'Output',
    describe: 'Output format',
    choices: ['mermaid', 'dot', 'svg', 'matrix'],
    default: 'mermaid',
  },
  'max-states': {
    type: 'number',
    group: 'Pace and limits',
    describe: 'Give up after finding this many states',
    defaultText: 'no limit',
    minimum: 1,
    integer: true,
  },
  mermaid: {
    type: 'boolean',
    group: 'Output',
    describe: 'Print findings as Mermaid sequence diagrams',
    default: false,
  },
  dialect: {
    type: 'string',
    group: 'What',
    describe: 'Database of the statements; mysql includes MariaDB',
    choices: ['mysql', 'postgresql'],
    default: 'mysql',
  },
  table: {
    type: 'string',
    group: 'What',
    value: 'name',
    describe: 'The table; it has a column id',
    defaultText: "the machine's name",
  },
  column: {
    type: 'string',
    group: 'What',
    value: 'name',
    describe: 'The column that holds the state',
    default: 'state',
  },
};
