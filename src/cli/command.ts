/** A command: a table entry for the parser and the help, and a function from settings to an exit status. */
import { hostname } from 'node:os';
import type { Option, OptionName, Settings } from './options.ts';

/** What a command may use of the process it runs in. */
export interface Io {
  /** Prints lines for people; control sequences are escaped, except our own colours. */
  readonly print: (text: string) => void;
  /** Prints data that users wrote: unchanged if a program reads it, as `print` on a terminal. */
  readonly data: (text: string) => void;
  /** Resolves when the reader has taken what was printed: for commands that print much. */
  readonly printed: () => Promise<void>;
  /** Prints a message for people on standard error. */
  readonly say: (text: string) => void;
  /** Standard output and input are a terminal. */
  readonly interactive: boolean;
  /** Overwrites the current line of the terminal on standard error; undefined without a terminal. */
  readonly draw: ((text: string) => void) | undefined;
  /** Redraws the whole terminal with as much of the text as fits; undefined if standard output is not a terminal. */
  readonly screen: ((text: string) => void) | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first signal, and when the reader of the output closes. */
  readonly stop: AbortSignal;
  /** Asks a yes-or-no question on the terminal. Ctrl-C and the end of the input mean no. */
  readonly confirm: (question: string) => Promise<boolean>;
}

export interface Positional {
  /** Usage lines and messages print it in capitals. */
  readonly name: string;
  readonly describe: string;
  readonly many?: boolean;
  readonly required?: boolean;
  /** Replaces the name in the usage line. */
  readonly usage?: string;
}

/** Overrides the help of an option for one command. */
export type OptionText = Partial<
  Pick<Option, 'describe' | 'group' | 'value' | 'defaultText' | 'choices'>
>;

export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positional?: Positional | readonly Positional[];
  readonly options: readonly OptionName[];
  readonly optionTexts?: Readonly<Partial<Record<OptionName, OptionText>>>;
  /** By an option's or a positional's name: those that must not be given together with it. */
  readonly excludes?: Readonly<Record<string, readonly string[]>>;
  /** By an option's name: those of which it needs at least one. */
  readonly needs?: Readonly<Record<string, readonly string[]>>;
  /** By the name of a removed option: what to use instead. */
  readonly removed?: Readonly<Record<string, string>>;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Exit statuses; default: `EXITS`. */
  readonly exits?: string;
  /** `words`: the positional arguments. Resolves to the exit status; throws UserError for 2. */
  readonly run: (settings: Settings, words: readonly string[], io: Io) => Promise<number>;
}

/** Exit statuses. In addition: 129, 130, 131 after SIGHUP, SIGINT, SIGQUIT, and 143 after a second SIGTERM. */
export const EXIT = { done: 0, failed: 1, usage: 2, incomplete: 3 } as const;
/** What `simulate` and `check` found: a violated guarantee, a run that does not end, an error of the program. The last also ends workers. */
export const FOUND = { safety: 10, liveness: 11, crash: 12 } as const;

/** Exit statuses of most commands, for `--help`. */
export const EXITS = '0 done, 2 wrong usage or unusable volume, 130 stopped by Ctrl-C.';
/** Those of commands that work until nothing is left. */
export const WORK_EXITS =
  '0 all done, 1 some failed, 2 wrong usage or unusable volume, 3 incomplete, 12 a bug in flockwork, 130 stopped by Ctrl-C.';

/** Options of every command that works on a volume. */
export const COMMON: readonly OptionName[] = ['dir', 'config'];
/** Overrides the help of `--dir`. */
export const ONE_VOLUME: NonNullable<Command['optionTexts']> = {
  dir: { describe: 'The volume: a directory that all workers share' },
};
export const LOGGING: readonly OptionName[] = ['log-format', 'log-level'];

export function positionalsOf({ positional }: Command): readonly Positional[] {
  if (positional === undefined) return [];
  return Array.isArray(positional)
    ? (positional as readonly Positional[])
    : [positional as Positional];
}

/** Where none is given: in a container, HOSTNAME is the name that its orchestrator knows. */
export function defaultWorkerName({ environment }: Pick<Io, 'environment'>): string {
  return environment['HOSTNAME'] || hostname();
}
