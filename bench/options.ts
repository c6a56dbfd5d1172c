/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import { UserError } from '../src/machine/errors.ts';
import { ROW_NAMES, type Amounts, type RowName } from './model.ts';

export interface Options {
  readonly help: boolean;
  readonly check: boolean;
  /** Not on the machine whose ratios are stored. */
  readonly elsewhere: boolean;
  /** A part whose results replace those of the stored report. */
  readonly adds: boolean;
  readonly rows: readonly RowName[];
  /** Names or prefixes; undefined for all. */
  readonly systems: readonly string[] | undefined;
  readonly rounds: number;
  readonly amounts: Amounts;
  readonly directory: string;
  /** Undefined if only a part is measured: it is printed only. */
  readonly json: string | undefined;
  readonly out: string | undefined;
}

/** No disk, and no file system that searches for free inodes: only processor time is left. */
const MEMORY_DIRECTORY = '/dev/shm';

const NUMBERS = {
  rounds: { default: 5, describe: 'rounds of each row, the systems in turn in each' },
  states: { default: 50_000, describe: 'states of the drain' },
  chains: { default: 10_000, describe: 'chains, of 5 steps each' },
  sleeps: { default: 2000, describe: 'tasks of 50 ms' },
  events: { default: 20_000, describe: 'events' },
  drops: { default: 100, describe: 'items whose latency is taken' },
  million: { default: 1_000_000, describe: 'states of the rows "million" and "bulk"' },
  many: { default: 500_000, describe: 'states of the row "many"' },
  starts: { default: 10, describe: 'starts of each command' },
  done: { default: 100_000, describe: 'done states of the row "idle"' },
  watchers: { default: 64, describe: 'workers of the row "watchers"' },
  seconds: {
    default: 20,
    describe: 'how long "idle" and "watchers" watch, and "million" gets more',
  },
} as const;
type NumberName = keyof typeof NUMBERS;
const NUMBER_NAMES = Object.keys(NUMBERS) as NumberName[];

export function helpText(systems: readonly string[]): string {
  const line = (flag: string, text: string): string => `  ${flag.padEnd(22)} ${text}`;
  return [
    'npm run bench -- [OPTIONS]',
    '',
    'Runs the same work on Flockwork and on others, in turn, and writes docs/performance.md. Installs what it needs.',
    'npm run bench -- scale [OPTIONS] predicts the file operations of larger fleets instead (docs/scale.md).',
    'npm run bench -- --check compares ratios of processor time with those of bench/check.json, in two minutes (CI).',
    'One benchmark at a time runs on a machine. A measurement beside more than half a core of foreign load is repeated.',
    '',
    line('--check', 'compare only; with --json FILE also store the ratios there'),
    line(
      '--elsewhere',
      'with --check: not on the machine of bench/check.json, so with a wide margin',
    ),
    line('--add', 'put what is measured in place of the stored figures; the page says so'),
    line('--only ROWS', `rows, with commas: ${ROW_NAMES.join(', ')}`),
    line('--systems SYSTEMS', 'systems, with commas, by what their names begin with:'),
    line('', systems.join(', ')),
    ...NUMBER_NAMES.map((name) =>
      line(`--${name} N`, `${NUMBERS[name].describe} (${NUMBERS[name].default})`),
    ),
    line(
      '--bench-dir DIR',
      `where volumes and databases are made (bench/.run; --check: ${MEMORY_DIRECTORY})`,
    ),
    line('--json FILE', 'the figures (docs/performance.json; of a part: nowhere)'),
    line('--out FILE', 'the page, charts beside it (docs/performance.md; of a part: nowhere)'),
  ].join('\n');
}

/** `systems`: all names. Throws `usage`, with the valid values. */
export function parseOptions(words: readonly string[], systems: readonly string[]): Options {
  const values = parse(words);
  const number = (name: NumberName): number => wholeNumber(name, values[name]);
  const rows = listOf(values.only);
  const wanted = listOf(values.systems);
  refuseUnknown('--only', rows, (row) => (ROW_NAMES as readonly string[]).includes(row), ROW_NAMES);
  refuseUnknown(
    '--systems',
    wanted,
    (one) => systems.some((name) => name.startsWith(one)),
    systems,
  );
  const isPart = rows !== undefined || wanted !== undefined || values.check === true;
  const isPrinted = isPart && values.add !== true;
  return {
    help: values.help === true,
    check: values.check === true,
    elsewhere: values.elsewhere === true,
    adds: values.add === true,
    rows: (rows as RowName[] | undefined) ?? ROW_NAMES,
    systems: wanted,
    rounds: number('rounds'),
    amounts: {
      states: number('states'),
      chains: number('chains'),
      sleeps: number('sleeps'),
      events: number('events'),
      drops: number('drops'),
      million: number('million'),
      many: number('many'),
      starts: number('starts'),
      done: number('done'),
      watchers: number('watchers'),
      seconds: number('seconds'),
    },
    directory: values['bench-dir'] ?? (values.check === true ? MEMORY_DIRECTORY : 'bench/.run'),
    json: values.json ?? (isPrinted ? undefined : 'docs/performance.json'),
    out: values.out ?? (isPrinted ? undefined : 'docs/performance.md'),
  };
}

const text = { type: 'string' } as const;
const DECLARED = {
  help: { type: 'boolean' },
  check: { type: 'boolean' },
  elsewhere: { type: 'boolean' },
  add: { type: 'boolean' },
  only: text,
  systems: text,
  'bench-dir': text,
  json: text,
  out: text,
  rounds: text,
  states: text,
  chains: text,
  sleeps: text,
  events: text,
  drops: text,
  million: text,
  many: text,
  starts: text,
  done: text,
  watchers: text,
  seconds: text,
} as const;

function parse(
  words: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof DECLARED }>>['values'] {
  try {
    return parseArgs({ args: [...words], options: DECLARED }).values;
  } catch (error) {
    throw new UserError('usage', `${(error as Error).message}; see npm run bench -- --help`);
  }
}

function wholeNumber(name: NumberName, value: string | undefined): number {
  if (value === undefined) return NUMBERS[name].default;
  const number = Number(value);
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number > 0) return number;
  throw new UserError('usage', `--${name} takes a whole number above 0, not "${value}"`);
}

function listOf(value: string | undefined): string[] | undefined {
  return value?.split(',').map((one) => one.trim());
}

function refuseUnknown(
  option: string,
  words: readonly string[] | undefined,
  isKnown: (word: string) => boolean,
  known: readonly string[],
): void {
  const unknown = words?.find((word) => word === '' || !isKnown(word));
  if (unknown === undefined) return;
  throw new UserError(
    'usage',
    `${option}: there is no "${unknown}"; there are ${known.join(', ')}`,
  );
}
