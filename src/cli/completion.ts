/** `flockwork completion`: the script for bash and zsh, and the requests that it makes when Tab is pressed. */
import yargs from 'yargs';
import { flagOf } from './arguments.ts';
import type { Command } from './command.ts';
import { OPTIONS } from './options.ts';

const COMPLETION_HELP = `flockwork completion

Print the completion script for the shell that $SHELL names: bash or zsh.

To install it:
  flockwork completion >> ~/.bashrc       bash
  flockwork completion >> ~/.zshrc        zsh

Then open a new terminal. The script calls flockwork, which must be on the PATH.`;

const ASKED = '--get-yargs-completions';

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
  const parser = yargs([...args])
    .scriptName('flockwork')
    .exitProcess(false)
    .version(false)
    .completion('completion', 'Completion for bash and zsh');
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
