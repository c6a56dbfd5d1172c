/** Parses the command line into a command, its options and its words; completes it in bash and zsh. */
import Parser from 'yargs-parser';
import { UserError, nearest } from '../machine/errors.ts';
import { positionalsOf, type Command, type Positional } from './command.ts';
import { flagOf, OPTIONS, type OptionName } from './options.ts';

export interface Arguments {
  /** Undefined if none is named. */
  readonly command: Command | undefined;
  readonly wants: 'run' | 'help';
  /** By option name, not converted: texts, true or false, lists. */
  readonly flags: Readonly<Partial<Record<OptionName, unknown>>>;
  readonly words: readonly string[];
}

const CONFIGURATION = {
  'camel-case-expansion': false,
  'dot-notation': false,
  'duplicate-arguments-array': true,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'populate--': true,
} as const;

const HELP = ['help', 'h'];
const ALWAYS = [...HELP, 'version'];

interface Parsed {
  readonly values: Readonly<Record<string, unknown>>;
  /** Positional arguments, in order; after `--` every argument is one. */
  readonly words: readonly string[];
  readonly error: Error | null;
}

/** What is called, before any command is loaded: the first word, if there is one. */
export function called(args: readonly string[]): { word: string | undefined; isVersion: boolean } {
  const { words, values } = parse(args, Object.keys(OPTIONS) as OptionName[]);
  return { word: words[0], isVersion: values['version'] === true };
}

/** Throws `usage`; the message says what is accepted. */
export function parseArguments(args: readonly string[], commands: readonly Command[]): Arguments {
  const everything = parse(args, Object.keys(OPTIONS) as OptionName[]);
  const [name, ...others] = everything.words;
  const isHelp = HELP.some((key) => everything.values[key] === true);
  if (name === undefined) {
    if (!isHelp) refuseUnknown(args, everything, undefined);
    return help();
  }
  if (name === 'help') return help(others[0] && commandOf(others[0], commands));
  const command = commandOf(name, commands);
  if (isHelp) return help(command);
  const parsed = parse(args, command.options);
  refuseUnknown(args, parsed, command);
  if (parsed.error !== null) throw usage(inOurWords(parsed.error.message), command);
  const words = parsed.words.slice(1);
  const flags = Object.fromEntries(
    command.options.map((option) => [option, parsed.values[flagOf(option)]]),
  );
  for (const option of command.options) refuseEmpty(option, flags[option], command);
  refuseWords(words, command);
  refuseTogether(flags, words, command);
  return { command, wants: 'run', flags, words };
}

function help(command?: Command | ''): Arguments {
  return { command: command || undefined, wants: 'help', flags: {}, words: [] };
}

function commandOf(name: string, commands: readonly Command[]): Command {
  const command = commands.find((one) => one.name === name);
  if (command !== undefined) return command;
  const near = nearest(name, [...commands.map((one) => one.name), 'completion', 'help']);
  const hint =
    near === undefined ? 'flockwork --help lists what there is' : `did you mean ${near}?`;
  throw new UserError('usage', `there is no command ${name}; ${hint}`);
}

function parse(args: readonly string[], options: readonly OptionName[]): Parsed {
  const of = (types: readonly string[]): string[] =>
    options.filter((option) => types.includes(OPTIONS[option].type)).map(flagOf);
  const valued = of(['string', 'number', 'duration', 'list']);
  const { argv, error } = Parser.detailed([...args], {
    boolean: [...of(['boolean']).filter((flag) => !valued.includes(flag)), ...ALWAYS],
    string: valued,
    array: of(['list']),
    narg: Object.fromEntries(valued.map((flag) => [flag, 1])),
    configuration: CONFIGURATION,
  });
  const { _: before, '--': after = [], ...values } = argv;
  const words = [...before, ...after].map(String);
  return { values, words, error };
}

const usage = (message: string, { name }: Command): UserError =>
  new UserError('usage', `${message}; see flockwork ${name} --help`);

function inOurWords(message: string): string {
  const option = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  return option === undefined ? message : needsValue(option);
}

const needsValue = (flag: string): string => `--${flag} needs a value`;

function refuseEmpty(option: OptionName, value: unknown, command: Command): void {
  const values = Array.isArray(value) ? value : [value];
  if (values.includes('')) throw usage(needsValue(flagOf(option)), command);
}

/** Throws `usage` for unknown options and for booleans with a value other than true or false. */
function refuseUnknown(
  args: readonly string[],
  { values }: Parsed,
  command: Command | undefined,
): void {
  const known = (command?.options ?? []).map(flagOf);
  const end = args.indexOf('--');
  const tokens = (end === -1 ? args : args.slice(0, end)).filter((arg) => /^-./.test(arg));
  for (const key of Object.keys(values)) {
    if (known.includes(key) || ALWAYS.includes(key)) continue;
    const token =
      tokens.find((one) => [`--${key}`, `--no-${key}`].includes(one.replace(/=.*$/s, ''))) ??
      tokens.find((one) => !one.startsWith('--') && one.includes(key)) ??
      `--${key}`;
    const said = token.replace(/=.*$/s, '');
    throw unknownOption(said, key, known, command);
  }
  for (const option of command?.options ?? []) {
    if (OPTIONS[option].type !== 'boolean') continue;
    const prefix = `--${flagOf(option)}=`;
    const given = tokens.find((one) => one.startsWith(prefix));
    if (given === undefined || /=(true|false)$/.test(given)) continue;
    const value = given.slice(prefix.length);
    throw usage(
      `--${flagOf(option)} is ${JSON.stringify(value)}; it must be true or false`,
      command!,
    );
  }
}

function unknownOption(
  said: string,
  key: string,
  known: readonly string[],
  command: Command | undefined,
): UserError {
  if (command === undefined) {
    return new UserError('usage', `${said} needs a command; flockwork --help lists what there is`);
  }
  const instead = command.removed?.[key];
  if (instead !== undefined) {
    return new UserError('usage', `${command.name} has no option ${said}; ${instead}`);
  }
  const near = nearest(key.replace(/^no-/, ''), [...known, ...ALWAYS]);
  const takesWords = positionalsOf(command).length > 0;
  const hint =
    near !== undefined && key.length > 1
      ? `; did you mean --${said.startsWith('--no-') ? 'no-' : ''}${near}?`
      : takesWords
        ? `; if it is a name and not an option, write -- before it`
        : '';
  const message = `${command.name} has no option ${said}${hint}`;
  return hint.startsWith('; did') ? new UserError('usage', message) : usage(message, command);
}

export const wordOf = ({ name, many }: Positional): string =>
  name.toUpperCase() + (many === true ? '…' : '');

function refuseWords(words: readonly string[], command: Command): void {
  const positionals = positionalsOf(command);
  const required = positionals.filter((one) => one.required === true);
  if (words.length < required.length) {
    throw usage(
      `${command.name} needs ${required.map((one) => one.usage ?? wordOf(one)).join(' and ')}`,
      command,
    );
  }
  const isBounded = !positionals.some((one) => one.many === true);
  if (!isBounded || words.length <= positionals.length) return;
  const taken =
    positionals.length === 0
      ? 'takes no arguments, only options'
      : `takes ${positionals.map(wordOf).join(' and ')}`;
  const surplus = words.slice(positionals.length).map((word) => JSON.stringify(word));
  const quote = positionals.length === 0 ? '' : ' (quote what has spaces)';
  throw usage(`${command.name} ${taken}; unexpected ${surplus.join(' ')}${quote}`, command);
}

/** Throws `usage` for options that exclude each other, and for those that need another one. */
function refuseTogether(
  flags: Readonly<Record<string, unknown>>,
  words: readonly string[],
  command: Command,
): void {
  const positionals = positionalsOf(command);
  const isGiven = (name: string): boolean => {
    const index = positionals.findIndex((one) => one.name === name);
    if (index !== -1) return words.length > index;
    return flags[name] !== undefined && flags[name] !== false;
  };
  const say = (name: string): string => {
    const positional = positionals.find((one) => one.name === name);
    return positional === undefined ? `--${flagOf(name as OptionName)}` : wordOf(positional);
  };
  for (const [one, others] of Object.entries(command.excludes ?? {})) {
    const other = isGiven(one) ? others.find(isGiven) : undefined;
    if (other === undefined) continue;
    throw usage(`${say(one)} and ${say(other)} exclude each other`, command);
  }
  for (const [one, needed] of Object.entries(command.needs ?? {})) {
    if (!isGiven(one) || needed.some(isGiven)) continue;
    throw usage(`${say(one)} needs ${needed.map(say).join(' or ')}`, command);
  }
}

const COMPLETION_HELP = `flockwork completion

Print the completion script for the shell that $SHELL names: bash or zsh.

To install it:
  flockwork completion >> ~/.bashrc       bash
  flockwork completion >> ~/.zshrc        zsh

Then open a new terminal. The script calls flockwork, which must be on the PATH.`;

/** What the completion script passes when Tab is pressed. */
const ASKED = '--get-yargs-completions';

/** True for `flockwork completion`, and for a request of its script. */
export function isCompletion(args: readonly string[]): boolean {
  return args[0] === 'completion' || args.includes(ASKED);
}

/** Prints the script or, for a request of the script, the possible next words. */
export async function complete(
  args: readonly string[],
  commands: readonly Command[],
  print: (text: string) => void,
): Promise<void> {
  if (!args.includes(ASKED) && args.some((arg) => arg === '--help' || arg === '-h')) {
    return print(COMPLETION_HELP);
  }
  // Loaded for this only: parsing needs a small part of it.
  const { default: yargs } = await import('yargs');
  const parser = yargs([...args])
    .scriptName('flockwork')
    .exitProcess(false)
    .version(false)
    .completion('completion', 'Print the completion script for bash or zsh');
  for (const { name, describe, options, optionTexts } of commands) {
    parser.command(name, describe, (scope) => {
      for (const option of options) {
        const { type, describe: text, choices } = { ...OPTIONS[option], ...optionTexts?.[option] };
        scope.option(flagOf(option), {
          type: type === 'boolean' ? 'boolean' : 'string',
          describe: text,
          ...(choices !== undefined && { choices }),
        });
      }
    });
  }
  await parser.parseAsync();
}
