/**
 * Errors that nothing awaits: a promise that rejects, a callback that throws. Node would end the process. Each belongs to
 * the tick that caused it, which fails with it; the worker goes on.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { failed, hasOwnFrame } from './failure.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult, TickTask } from './ports.ts';

type Named = Pick<TickTask, 'name' | 'machine'>;

/** What catches them in this thread. */
export interface StrayPorts {
  readonly log: Log;
  /** Ends the process, or the thread, as Node does. */
  readonly crash: (error: unknown) => void;
}

/** One attempt, by which everything is known that it starts. */
export class Suspect {
  readonly task: Named;
  /** While it runs. */
  fail: ((result: TickResult) => void) | undefined;
  readonly #errors: StrayErrors;

  constructor(task: Named, errors: StrayErrors) {
    this.task = task;
    this.#errors = errors;
  }

  /** Its result, unless something that it started has failed before it came back. */
  orStray(result: Promise<TickResult>): Promise<TickResult> {
    return new Promise((resolve) => {
      const end = (is: TickResult): void => {
        this.fail = undefined;
        this.#errors.running.delete(this);
        resolve(is);
      };
      this.fail = end;
      this.#errors.running.add(this);
      // Node tells of a rejection when all that follows at once has been done.
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

  /** From now on, in this thread. Resolves to a way to stop. */
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

  /** False for an error of which nothing tells that it comes from a user's code. */
  #handle(error: unknown, log: Log): boolean {
    const suspect = this.#suspects.getStore();
    if (suspect !== undefined) {
      const { name, machine } = suspect.task;
      if (suspect.fail !== undefined) suspect.fail(failed(error, 'not awaited by the tick: '));
      else {
        const reason = error instanceof Error ? error.message : String(error);
        log.error(
          { err: error, state: name, machine },
          `${name}: an error after its tick had ended, in what it did not await: ${reason}`,
        );
      }
      return true;
    }
    if (!(error instanceof Error) || !hasOwnFrame(error.stack ?? '')) return false;
    const names = Array.from(this.running, ({ task }) => task.name);
    const running = names.length === 0 ? 'no tick runs' : `running: ${names.join(', ')}`;
    log.error(
      { err: error, states: names },
      `an error in a module, of no tick that is known; ${running}: ${error.message}`,
    );
    return true;
  }
}

/** As Node would have done: nothing of ours stands in its way any more. */
export function crashAsNode(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
