/** The command line: arguments, settings, exit statuses. What a command is, is in `command.ts`. */
import { setImmediate } from 'node:timers/promises';
import { styleText } from 'node:util';
import { UserError } from '../machine/errors.ts';
import { errnoOf } from '../volume/files.ts';
import { parseArguments } from './arguments.ts';
import { EXIT, type Io } from './command.ts';
import { COMMAND_GROUPS, COMMANDS } from './commands/index.ts';
import { complete, isCompletion } from './completion.ts';
import { confirm } from './confirm.ts';
import { commandHelp, programHelp } from './help.ts';
import { environmentName } from './option.ts';
import { misspeltVariables, readConfigFile, resolveSettings } from './settings.ts';
import { listenForSignals, SIGNALED, type Signals } from './signals.ts';
import { screenful } from './screen.ts';
import { oneLine, shown, shownPainted } from './shown.ts';
import { version } from './version.ts';

const HELP_WIDTH = 110;
/** What they do is on the volume, whether or not their output can be written. */
const LIVE_WITHOUT_OUTPUT: readonly string[] = ['worker', 'up'];

export async function main(args: readonly string[]): Promise<number> {
  const signals = listenForSignals();
  try {
    const status = await dispatch(args, createIo(signals), signals);
    return exitStatus(status, signals.received());
  } catch (error) {
    report(error);
    return EXIT.usage;
  } finally {
    signals.close();
  }
}

/** SIGTERM is how service managers stop a process: that was no failure of what it has done. */
function exitStatus(status: number, signal: ReturnType<Signals['received']>): number {
  return signal === undefined || signal === 'SIGTERM' ? status : SIGNALED[signal];
}

async function dispatch(args: readonly string[], io: Io, { lost }: Signals): Promise<number> {
  if (isCompletion(args)) {
    await complete(args, COMMANDS, io.print);
    return EXIT.done;
  }
  const { command, wants, flags, words } = parseArguments(args, COMMANDS);
  if (wants === 'version') {
    io.print(version());
    return EXIT.done;
  }
  if (wants === 'help' || command === undefined) {
    const width = Math.min(HELP_WIDTH, process.stdout.columns ?? HELP_WIDTH);
    io.print(
      command === undefined ? programHelp(COMMAND_GROUPS, width) : commandHelp(command, width),
    );
    // Without a word there was nothing to do, which a script has to notice.
    return args.length === 0 ? EXIT.usage : EXIT.done;
  }
  const { environment } = io;
  for (const message of misspeltVariables(environment).values()) warn(message);
  const file = readConfigFile(
    (flags.config as string | undefined) ?? environment[environmentName('config')],
  );
  const layers = { flags, environment, file, command: command.name };
  const status = await command.run(resolveSettings(layers), words, io);
  // The error of the last line is told by then.
  await setImmediate();
  const isWhole = lost() === undefined || LIVE_WITHOUT_OUTPUT.includes(command.name);
  return isWhole || status !== EXIT.done ? status : EXIT.usage;
}

/** Colours are kept where the stream shows them, as `styleText` decides. */
function shownOn(stream: NodeJS.WriteStream, text: string): string {
  return shownPainted(text, styleText('red', 'x', { stream }) !== 'x');
}

function createIo({ stop, raise }: Signals): Io {
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
    confirm: (question) =>
      confirm(question, { input: process.stdin, output: process.stderr, stop, raise }),
  };
}

function warn(message: string): void {
  process.stderr.write(`${prefix('yellow')} ${shown(message)}\n`);
}

const prefix = (colour: 'red' | 'yellow'): string =>
  styleText(colour, 'flockwork:', { stream: process.stderr });

/** What the user can repair is said in a sentence; anything else is a fault of the program, and shows where it was. */
function report(error: unknown): void {
  // What the file system refuses says what and where; the place in the program adds nothing.
  const known = error instanceof UserError || errnoOf(error) !== undefined;
  const text = known
    ? (error as Error).message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${prefix('red')} ${shown(text)}\n`);
}
