/** The command line: commands, signals, exit statuses. What a command is, is in `command.ts`. */
import { createInterface } from 'node:readline/promises';
import { styleText } from 'node:util';
import yargs, { type Argv } from 'yargs';
import { UserError } from '../machine/errors.ts';
import { errnoOf } from '../volume/files.ts';
import { EXIT, type Command, type Io } from './command.ts';
import { COMMANDS } from './commands/index.ts';
import { environmentName, OPTIONS, type Option, type OptionName } from './options.ts';
import { screenful } from './screen.ts';
import { oneLine, shown, shownPainted } from './shown.ts';
import { readConfigFile, resolveSettings } from './settings.ts';
import { version } from './version.ts';

const HELP_WIDTH = 110;

/** A signal's conventional exit status. */
const SIGNALED = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof SIGNALED;

export async function main(args: readonly string[]): Promise<number> {
  const signals = listenForSignals();
  try {
    const status = await dispatch(args, createIo(signals.stop));
    return signals.received() === 'SIGINT' ? SIGNALED.SIGINT : status;
  } catch (error) {
    report(error);
    return EXIT.usage;
  } finally {
    signals.close();
  }
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  let status: number = EXIT.done;
  const parser = yargs([...args])
    .scriptName('flockwork')
    .usage(
      '$0 COMMAND [OPTIONS]\n\nState files in a shared directory, processed by workers with no coordinator.',
    )
    .version(version())
    .completion('completion', 'Print the completion script for bash or zsh')
    .parserConfiguration({ 'camel-case-expansion': false, 'duplicate-arguments-array': true })
    .demandCommand(1, 'Which command? `flockwork --help` lists them.')
    .strict()
    .recommendCommands()
    .wrap(Math.min(HELP_WIDTH, process.stdout.columns ?? HELP_WIDTH))
    .epilogue(
      'Every option may also come from the environment (--log-level: FLOCKWORK_LOG_LEVEL) or a configuration file.\n' +
        'Exit status: 0 all done, 1 some failed, 2 wrong usage or unusable volume, 3 incomplete, 130 by SIGINT.',
    )
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UserError('usage', `${message}\n\`flockwork --help\` tells more.`);
    });
  for (const command of COMMANDS) {
    parser.command({
      command: usageOf(command),
      describe: command.describe,
      builder: (scope) => declare(scope, command),
      handler: async (argv) => {
        const flags = argv as Record<string, unknown>;
        const environment = io.environment;
        const file = readConfigFile(
          (flags['config'] as string | undefined) ?? environment[environmentName('config')],
        );
        const words =
          command.positional === undefined ? [] : asWords(flags[command.positional.name]);
        status = await command.run(resolveSettings({ flags, environment, file }), words, io);
      },
    });
  }
  await parser.parseAsync();
  return status;
}

function usageOf({ name, positional }: Command): string {
  if (positional === undefined) return name;
  const word = positional.name + (positional.many === true ? '..' : '');
  return `${name} ${positional.required === true ? `<${word}>` : `[${word}]`}`;
}

const asWords = (value: unknown): string[] =>
  value === undefined ? [] : (Array.isArray(value) ? value : [value]).map(String);

const YARGS_TYPE = {
  string: 'string',
  number: 'string',
  boolean: 'boolean',
  duration: 'string',
  list: 'string',
} as const;

/** Defaults and checks are ours (see `settings.ts`): yargs only has to know what may be said. */
function declare(scope: Argv, command: Command): Argv {
  const { positional } = command;
  if (positional !== undefined) {
    scope.positional(positional.name, { type: 'string', describe: positional.describe });
  }
  for (const name of command.options) declareOption(scope, name);
  for (const [example, what] of command.examples) scope.example(example, what);
  return scope;
}

function shownDefault({ defaultText, default: value }: Option): string | undefined {
  if (defaultText !== undefined) return defaultText;
  return typeof value === 'string' || typeof value === 'number' || value === true
    ? String(value)
    : undefined;
}

function declareOption(scope: Argv, name: OptionName): void {
  const { type, describe, choices } = OPTIONS[name];
  const defaultText = shownDefault(OPTIONS[name]);
  scope.option(name, {
    type: YARGS_TYPE[type],
    requiresArg: type !== 'boolean',
    describe: defaultText === undefined ? describe : `${describe} [default: ${defaultText}]`,
    ...(choices !== undefined && { choices }),
    ...(type === 'list' && { array: true, nargs: 1 }),
  });
}

/** Colours are kept where the stream shows them, as `styleText` decides. */
function shownOn(stream: NodeJS.WriteStream, text: string): string {
  return shownPainted(text, styleText('red', 'x', { stream }) !== 'x');
}

function createIo(stop: AbortSignal): Io {
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  return {
    print: (text) => void process.stdout.write(`${shownOn(process.stdout, text)}\n`),
    data: (text) =>
      void process.stdout.write(`${process.stdout.isTTY ? shownOn(process.stdout, text) : text}\n`),
    // An error is told by an event, too, which asks us to stop.
    printed: () => new Promise((resolve) => process.stdout.write('', () => resolve())),
    say: (text) => void process.stderr.write(`${shownOn(process.stderr, text)}\n`),
    interactive,
    draw: process.stderr.isTTY
      ? (text) => void process.stderr.write(`\r\u001b[2K${oneLine(text)}`)
      : undefined,
    screen: process.stdout.isTTY
      ? (text) =>
          void process.stdout.write(screenful(shownOn(process.stdout, text), process.stdout))
      : undefined,
    environment: process.env,
    stop,
    confirm: async (question) => {
      const ask = createInterface({ input: process.stdin, output: process.stderr });
      const answer = await ask.question(`${shown(question)} [y/N] `);
      ask.close();
      return /^y(es)?$/i.test(answer.trim());
    },
  };
}

/** The first signal asks to stop, the second one ends the process at once. */
function listenForSignals(): {
  stop: AbortSignal;
  received: () => Signal | undefined;
  close: () => void;
} {
  const stop = new AbortController();
  let received: Signal | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (received !== undefined) process.exit(SIGNALED[signal as Signal]);
    received = signal as Signal;
    stop.abort();
  };
  // Nobody reads any more (`flockwork log | head`, or the terminal is gone): as good as being told to stop.
  const onPipe = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    stop.abort();
  };
  for (const signal of Object.keys(SIGNALED)) process.on(signal, onSignal);
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onPipe);
  return {
    stop: stop.signal,
    received: () => received,
    close: () => {
      for (const signal of Object.keys(SIGNALED)) process.off(signal, onSignal);
    },
  };
}

/** What the user can mend is said in a sentence; anything else is our fault, and shows where it was. */
function report(error: unknown): void {
  // What the file system refuses says what and where; where in the program is no news to anybody.
  const known = error instanceof UserError || errnoOf(error) !== undefined;
  const text = known
    ? (error as Error).message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(
    `${styleText('red', 'flockwork:', { stream: process.stderr })} ${shown(text)}\n`,
  );
}
