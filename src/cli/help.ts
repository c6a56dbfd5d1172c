/** The text of `--help`. Pure. */
import { wordOf } from './arguments.ts';
import { EXITS, positionalsOf, WORK_EXITS, type Command, type Positional } from './command.ts';
import {
  environmentName,
  flagOf,
  GROUPS,
  isAmbient,
  OPTIONS,
  type Option,
  type OptionName,
} from './options.ts';

const MAX_LEFT_CHARS = 30;

export interface CommandGroup {
  readonly title: string;
  readonly commands: readonly Command[];
}

/** `flockwork --help`. */
export function programHelp(groups: readonly CommandGroup[], width: number): string {
  const others: [string, string][] = [
    ['completion', 'Print the completion script for bash or zsh'],
    ['help [COMMAND]', 'Print this text, or that of COMMAND --help'],
  ];
  const sections = groups.map(({ title, commands }, index) => {
    const rows = commands.map((command): [string, string] => [command.name, command.describe]);
    return section(title, index === groups.length - 1 ? [...rows, ...others] : rows, width);
  });
  return [
    'flockwork COMMAND [OPTIONS]',
    wrap(
      'State files in a shared directory, processed by workers with no coordinator. ' +
        'flockwork COMMAND --help has the options of each command, and examples.',
      width,
    ),
    ...sections,
    wrap(OPTION_SOURCES, width),
    wrap(`Exit status: ${WORK_EXITS} Some commands have others.`, width),
  ].join('\n\n');
}

const OPTION_SOURCES =
  'An option is read from the command line, else from its environment variable (--log-level: FLOCKWORK_LOG_LEVEL), ' +
  'else from the configuration file (log-level: info). Arguments after -- are not options.';

/** `flockwork COMMAND --help`. */
export function commandHelp(command: Command, width: number): string {
  const positionals = positionalsOf(command);
  const usage = ['flockwork', command.name, ...positionals.map(usageOf), '[OPTIONS]'].join(' ');
  const options = command.options.map((name) => ({
    name,
    option: { ...OPTIONS[name], ...command.optionTexts?.[name] },
  }));
  const groups = GROUPS.map((title) => {
    const rows = options
      .filter(({ option }) => option.group === title)
      .map(({ name, option }): [string, string] => [leftOf(name, option), rightOf(option)]);
    return section(title, rows, width);
  });
  const variables = command.options
    .filter((name) => isAmbient(OPTIONS[name], command.name))
    .map(environmentName)
    .join(', ');
  return [
    usage,
    wrap(`${command.describe}.`, width),
    section(
      'Arguments',
      positionals.map((one) => [wordOf(one), one.describe]),
      width,
    ),
    ...groups,
    examplesOf(command, width),
    wrap(`Exit status: ${command.exits ?? EXITS}`, width),
    wrap(`${OPTION_SOURCES} Variables: ${variables}.`, width),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function usageOf(positional: Positional): string {
  const word = positional.usage ?? wordOf(positional);
  return positional.required === true ? word : `[${word}]`;
}

function leftOf(name: OptionName, option: Option): string {
  const flag = flagOf(name);
  if (option.type === 'boolean') return option.default === true ? `--[no-]${flag}` : `--${flag}`;
  const type = option.type === 'string' || option.type === 'list' ? 'text' : option.type;
  const value = option.choices?.join('|') ?? option.value ?? type;
  return `--${flag} <${value}${option.or === undefined ? '' : `|${option.or}`}>`;
}

function rightOf(option: Option): string {
  const { describe, defaultText, default: value } = option;
  const isShown = typeof value === 'string' || typeof value === 'number' || value === true;
  const shown = defaultText ?? (isShown ? (value === true ? 'on' : String(value)) : undefined);
  return shown === undefined ? describe : `${describe} [default: ${shown}]`;
}

function examplesOf({ examples }: Command, width: number): string {
  const lines = examples.map(([line, what]) => {
    const example = line.replace('$0', 'flockwork');
    return `  ${example}\n${wrap(what, width, '      ')}`;
  });
  return lines.length === 0 ? '' : `Examples:\n${lines.join('\n')}`;
}

/** Two columns; a left text that is too wide gets its own line. */
function section(
  title: string,
  rows: readonly (readonly [left: string, right: string])[],
  width: number,
): string {
  if (rows.length === 0) return '';
  const widest = Math.max(...rows.map(([left]) => left.length));
  const column = Math.min(MAX_LEFT_CHARS, widest) + 4;
  const lines = rows.map(([left, right]) => {
    const text = wrap(right, width, ' '.repeat(column));
    return left.length + 4 > column
      ? `  ${left}\n${text}`
      : `  ${left}`.padEnd(column) + text.trimStart();
  });
  return `${title}:\n${lines.join('\n')}`;
}

/** Breaks at spaces; a word longer than a line is not broken. */
function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    const isEmpty = line === indent;
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent + word;
    } else line += isEmpty ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}
