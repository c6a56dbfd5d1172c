/**
 * Errors of ticks: what of an error is stored with the failed attempt (`failed`), and which tick an error belongs to that
 * nothing awaits (`StrayErrors`).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { fileURLToPath } from 'node:url';
import type { Log } from '../engine/ports.ts';
import { FatalError } from '../machine/errors.ts';
import type { TickResult, TickTask } from './ports.ts';

/** Of an error's message, and of its stack. */
const MAX_CHARACTERS = 10_000;
/** The folder of Flockwork's own code. */
const OWN_FOLDER = fileURLToPath(new URL('../', import.meta.url));
const STACK_FRAME = /^ {4}at /;
const FRAME_PATH = /[\s(](?:file:\/\/)?(\/[^()\n]*|[A-Za-z]:[\\/][^()\n]*):\d+:\d+\)?$/;

/** The result of an attempt that threw `error`. `about`: a prefix of the message. */
export function failed(error: unknown, about = ''): TickResult {
  const isError = error instanceof Error;
  // By name too: a user's module may have been loaded with another copy of this package.
  const fatal = error instanceof FatalError || (isError && error.name === 'FatalError');
  const message = isError ? error.message || error.name : `the tick threw ${show(error)}`;
  return {
    kind: 'failed',
    error: {
      message: truncate(about + message),
      ...(isError && error.stack !== undefined && { stack: truncate(userFrames(error.stack)) }),
      ...(fatal && { fatal }),
    },
  };
}

export function truncate(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

function show(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** Keeps only the lines of the user's own files, if there are any. */
function userFrames(stack: string): string {
  if (!hasUserFrame(stack)) return stack;
  return stack
    .split('\n')
    .filter((line) => !STACK_FRAME.test(line) || isUserFrame(line))
    .join('\n');
}

/** True if a line of the stack is in the user's own files. */
function hasUserFrame(stack: string): boolean {
  return stack.split('\n').some((line) => STACK_FRAME.test(line) && isUserFrame(line));
}

/** Neither in Flockwork, nor in a package, nor in Node. */
function isUserFrame(frame: string): boolean {
  const path = FRAME_PATH.exec(frame)?.[1];
  return path !== undefined && !path.startsWith(OWN_FOLDER) && !/[\\/]node_modules[\\/]/.test(path);
}

type Named = Pick<TickTask, 'name' | 'machine'>;

/** Handlers of one thread. */
export interface StrayPorts {
  readonly log: Log;
  /** Ends the process, or the thread, as Node does. */
  readonly crash: (error: unknown) => void;
}

/** One attempt. Everything that it starts runs in its async context, by which its errors are attributed to it. */
export class Suspect {
  readonly task: Named;
  /** Defined while it runs. */
  fail: ((result: TickResult) => void) | undefined;
  readonly #errors: StrayErrors;

  constructor(task: Named, errors: StrayErrors) {
    this.task = task;
    this.#errors = errors;
  }

  /** Resolves to `result`, or to the failure of something that the attempt started, whichever comes first. */
  orStray(result: Promise<TickResult>): Promise<TickResult> {
    return new Promise((resolve) => {
      const end = (is: TickResult): void => {
        this.fail = undefined;
        this.#errors.running.delete(this);
        resolve(is);
      };
      this.fail = end;
      this.#errors.running.add(this);
      // Node reports an unhandled rejection only after the microtask queue is empty.
      void result.then((is) => setImmediate(end, is));
    });
  }
}

/**
 * Errors that nothing awaits: a promise that rejects, a callback that throws. Node would end the process. Here the tick
 * that caused the error fails, and the worker goes on.
 */
export class StrayErrors {
  readonly running: Set<Suspect> = new Set();
  readonly #suspects = new AsyncLocalStorage<Suspect>();

  suspect(task: Named): Suspect {
    return new Suspect(task, this);
  }

  run<Input, Result>(suspect: Suspect, act: (input: Input) => Result, input: Input): Result {
    return this.#suspects.run(suspect, act, input);
  }

  /** Catches such errors in this thread. Returns a function that stops it. */
  catch({ log, crash }: StrayPorts): () => void {
    const onError = (error: unknown): void => {
      if (this.#handle(error, log)) return;
      stop();
      crash(error);
    };
    const stop = (): void => {
      process.off('uncaughtException', onError);
      process.off('unhandledRejection', onError);
    };
    process.on('uncaughtException', onError);
    process.on('unhandledRejection', onError);
    return stop;
  }

  /** Returns false for an error that cannot be attributed to a user's code. */
  #handle(error: unknown, log: Log): boolean {
    const suspect = this.#suspects.getStore();
    if (suspect !== undefined) {
      const { name, machine } = suspect.task;
      if (suspect.fail !== undefined) suspect.fail(failed(error, 'not awaited by the tick: '));
      else {
        const fields = { err: error, state: name, machine };
        log.error(fields, 'an error after its tick had ended, in what it did not await');
      }
      return true;
    }
    if (!(error instanceof Error) || !hasUserFrame(error.stack ?? '')) return false;
    const states = Array.from(this.running, ({ task }) => task.name);
    log.error({ err: error, states }, 'an error in a module, of an unknown tick');
    return true;
  }
}

/** Throws it again, uncaught, after the handlers of `StrayErrors` were removed: Node ends the process or thread. */
export function crashAsNode(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
