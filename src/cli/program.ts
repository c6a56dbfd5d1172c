/** Runs the command line: arguments, settings, exit statuses. */
import { setImmediate } from 'node:timers/promises';
import { styleText } from 'node:util';
import { UserError } from '../machine/errors.ts';
import { InvariantError } from '../machine/invariant.ts';
import { errnoOf } from '../volume/files.ts';
import { called, parseArguments, complete, isCompletion } from './arguments.ts';
import { EXIT, FOUND, type Command, type Io } from './command.ts';
import { loadCommands } from './commands/index.ts';
import { confirm, screenful, oneLine, shown, shownPainted } from './terminal.ts';
import { commandHelp, programHelp, type CommandGroup } from './help.ts';
import { environmentName } from './options.ts';
import { packageVersion } from './own-package.ts';
import { misspeltVariables, readConfigFile, resolveSettings } from './settings.ts';
import { listenForSignals, SIGNALED, type Signals } from './signals.ts';
import { withSourcePlaces } from './source-places.ts';

const HELP_WIDTH = 110;
/** Commands whose result is on the volume: lost output does not make them fail. */
const LIVE_WITHOUT_OUTPUT: readonly string[] = ['worker', 'up'];

export async function main(args: readonly string[]): Promise<number> {
  const signals = listenForSignals();
  try {
    const status = await dispatch(args, createIo(signals), signals);
    return exitStatus(status, signals.received());
  } catch (error) {
    report(error);
    return error instanceof InvariantError ? FOUND.crash : EXIT.usage;
  } finally {
    signals.close();
  }
}

/** SIGTERM keeps the command's own status: service managers stop processes with it. */
function exitStatus(status: number, signal: ReturnType<Signals['received']>): number {
  return signal === undefined || signal === 'SIGTERM' ? status : SIGNALED[signal];
}

async function dispatch(args: readonly string[], io: Io, { lost }: Signals): Promise<number> {
  if (isCompletion(args)) {
    await complete(args, commandsOf(await loadCommands()), io.print);
    return EXIT.done;
  }
  const { word, isVersion } = called(args);
  if (isVersion) {
    io.print(packageVersion());
    return EXIT.done;
  }
  const groups = await loadCommands(word);
  const { command, wants, flags, words } = parseArguments(args, commandsOf(groups));
  if (wants === 'help' || command === undefined) {
    const width = Math.min(HELP_WIDTH, process.stdout.columns ?? HELP_WIDTH);
    io.print(command === undefined ? programHelp(groups, width) : commandHelp(command, width));
    // Without arguments nothing was done, which a script must notice.
    return args.length === 0 ? EXIT.usage : EXIT.done;
  }
  const { environment } = io;
  for (const message of misspeltVariables(environment).values()) warn(message);
  const file = readConfigFile(
    (flags.config as string | undefined) ?? environment[environmentName('config')],
  );
  const layers = { flags, environment, file, command: command.name };
  const status = await command.run(resolveSettings(layers), words, io);
  // Wait for the error event of the last write.
  await setImmediate();
  const isWhole = lost() === undefined || LIVE_WITHOUT_OUTPUT.includes(command.name);
  return isWhole || status !== EXIT.done ? status : EXIT.usage;
}

const commandsOf = (groups: readonly CommandGroup[]): Command[] =>
  groups.flatMap(({ commands }) => commands);

/** Keeps colours if the stream shows them, as `styleText` decides. */
function shownOn(stream: NodeJS.WriteStream, text: string): string {
  return shownPainted(text, styleText('red', 'x', { stream }) !== 'x');
}

function createIo({ stop, raise }: Signals): Io {
  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  return {
    print: (text) => void process.stdout.write(`${shownOn(process.stdout, text)}\n`),
    data: (text) =>
      void process.stdout.write(`${process.stdout.isTTY ? shownOn(process.stdout, text) : text}\n`),
    // Write errors are reported by an event, which aborts `stop`.
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
    confirm: (question) =>
      confirm(question, { input: process.stdin, output: process.stderr, stop, raise }),
  };
}

function warn(message: string): void {
  process.stderr.write(`${prefix('yellow')} ${shown(message)}\n`);
}

const prefix = (colour: 'red' | 'yellow'): string =>
  styleText(colour, 'flockwork:', { stream: process.stderr });

/** Errors that the user can repair are printed as a sentence; all others with their stack. */
function report(error: unknown): void {
  // File system errors name the call and the path: no stack.
  const known = error instanceof UserError || errnoOf(error) !== undefined;
  const text = known
    ? (error as Error).message
    : error instanceof Error
      ? withSourcePlaces(error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${prefix('red')} ${shown(text)}\n`);
}
