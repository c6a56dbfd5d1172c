/** What a command is: a table entry, and a function from settings to an exit status. */
import type { Option } from './option.ts';
import type { OptionName, Settings } from './options.ts';

/** What a command may use of the process it runs in. */
export interface Io {
  /** One line for people, or several; control sequences in it are shown, except colours of ours. */
  readonly print: (text: string) => void;
  /** The same for what others wrote: to the byte where a program reads it, as `print` does on a terminal. */
  readonly data: (text: string) => void;
  /** Resolves when the reader has taken what was printed: for commands that print much. */
  readonly printed: () => Promise<void>;
  /** What is said to a person while working: standard error. */
  readonly say: (text: string) => void;
  /** Standard output and input are a terminal. */
  readonly interactive: boolean;
  /** Draws over the current line of the terminal on standard error; nothing where there is none. */
  readonly draw: ((text: string) => void) | undefined;
  /** Draws the whole terminal anew, as much of the text as it has room for; undefined where standard output is none. */
  readonly screen: ((text: string) => void) | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts when a signal asks to stop, or when the reader of the output has gone. */
  readonly stop: AbortSignal;
  /** Asks a yes-or-no question on the terminal. Ctrl-C, and the end of the input, are a no. */
  readonly confirm: (question: string) => Promise<boolean>;
}

export interface Positional {
  /** In capitals it is what usage lines and messages call it. */
  readonly name: string;
  readonly describe: string;
  readonly many?: boolean;
  readonly required?: boolean;
  /** For the usage line, where the name does not say enough. */
  readonly usage?: string;
}

/** What `--help` says of an option where this command means something of its own by it. */
export type OptionText = Partial<
  Pick<Option, 'describe' | 'group' | 'value' | 'defaultText' | 'choices'>
>;

export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positional?: Positional | readonly Positional[];
  readonly options: readonly OptionName[];
  readonly optionTexts?: Readonly<Partial<Record<OptionName, OptionText>>>;
  /** By an option's or a positional's name, those that cannot be given together with it. */
  readonly excludes?: Readonly<Record<string, readonly string[]>>;
  /** By an option's name, those of which it needs at least one to mean anything. */
  readonly needs?: Readonly<Record<string, readonly string[]>>;
  /** By the name of an option that there was: what to use instead. */
  readonly removed?: Readonly<Record<string, string>>;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Exit statuses, where they are not the usual ones. */
  readonly exits?: string;
  /** `words`: the positional arguments. Resolves to the exit status; throws UserError for 2. */
  readonly run: (settings: Settings, words: readonly string[], io: Io) => Promise<number>;
}

/** Exit statuses. Besides: 129, 130, 131 where SIGHUP, SIGINT, SIGQUIT stopped it, and 143 where SIGTERM did twice. */
export const EXIT = { done: 0, failed: 1, usage: 2, incomplete: 3 } as const;
/** What `simulate` and `check` found: a broken promise, a run that does not come to its end, a mistake in the program. */
export const FOUND = { safety: 10, liveness: 11, crash: 12 } as const;

/** Every command that works on a volume has these. */
export const COMMON: readonly OptionName[] = ['dir', 'config'];
export const LOGGING: readonly OptionName[] = ['log-format', 'log-level'];

export function positionalsOf({ positional }: Command): readonly Positional[] {
  if (positional === undefined) return [];
  return Array.isArray(positional)
    ? (positional as readonly Positional[])
    : [positional as Positional];
}
