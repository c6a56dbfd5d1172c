/** What a command is: a table entry, and a function from settings to an exit status. */
import type { OptionName, Settings } from './options.ts';

/** What a command may use of the process it runs in. */
export interface Io {
  /** One line for people, or several; control sequences in it are shown, except colours of ours. */
  readonly print: (text: string) => void;
  /** The same for what others wrote: to the byte where a program reads it, as `print` does on a terminal. */
  readonly data: (text: string) => void;
  /** Waits for whoever reads what was printed: for those who print much. */
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
  /** Aborts when a signal asks to stop. */
  readonly stop: AbortSignal;
  /** Asks a person a yes-or-no question. */
  readonly confirm: (question: string) => Promise<boolean>;
}

export interface Positional {
  readonly name: string;
  readonly describe: string;
  readonly many?: boolean;
  readonly required?: boolean;
}

export interface Command {
  readonly name: string;
  readonly describe: string;
  readonly positional?: Positional;
  readonly options: readonly OptionName[];
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** `words`: the positional arguments. Resolves to the exit status; throws UserError for 2. */
  readonly run: (settings: Settings, words: readonly string[], io: Io) => Promise<number>;
}

/** Exit statuses. Besides: 130 for a process stopped by SIGINT, 130 and 143 for one ended by a second signal. */
export const EXIT = { done: 0, failed: 1, usage: 2, incomplete: 3 } as const;
/** What `simulate` and `check` found: a broken promise, a run that does not come to its end, a mistake in the program. */
export const FOUND = { safety: 10, liveness: 11, crash: 12 } as const;

/** Every command that works on a volume has these. */
export const COMMON: readonly OptionName[] = ['dir', 'config'];
export const LOGGING: readonly OptionName[] = ['log-format', 'log-level'];
