/**
 * Errors that nothing awaits: a promise that rejects, a callback that throws. Node would end the process. Here the tick
 * that caused the error fails, and the worker goes on.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { failed, hasUserFrame } from './failure.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult, TickTask } from './ports.ts';

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
