/** Runs attempts whose activity is a command: starts each when the system has room for it, and evaluates its end. */
import { stat } from 'node:fs/promises';
import { resolve as absolute } from 'node:path';
import { commandResult } from '../machine/command-result.ts';
import type { Log } from '../engine/ports.ts';
import { Cancellation, supervise, type Deadlines } from './supervise.ts';
import { CommandInputs, commandEnvironment, inputOf, type Variables } from './command-input.ts';
import { CommandLimit, commandsByDescriptors, room, SYSTEM_LIMITS } from './command-limit.ts';
import {
  SHELL,
  startCommand,
  ProcessGroups,
  type RunnableCommand,
  type RunningCommand,
} from './command.ts';
import type { TickResult, TickTask } from './ports.ts';

/** Between two log lines about a limit of the system. */
const LOG_LIMIT_INTERVAL_MS = 60_000;

/** One directory for each process. */
const INPUT_FILES = new CommandInputs();

export interface CommandsOptions {
  /** The monotonic clock, ms. */
  readonly now: () => number;
  readonly log: Log;
  /** Takes a line that a command of this task has printed. */
  readonly report: (task: TickTask, line: string) => void;
  readonly deadlines: Deadlines;
  /** The part of this process's environment that commands inherit. */
  readonly inherited: Variables;
  /** Milliseconds that a command may wait for room; after that it is aborted and its state given back. */
  readonly maxWaitMs: number;
}

export class Commands {
  readonly #options: CommandsOptions;
  readonly #groups = new ProcessGroups();
  #limit: CommandLimit | undefined;
  #limitLoggedAt = Number.NEGATIVE_INFINITY;
  #hasLoggedNoFile = false;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async execute(
    task: TickTask,
    command: RunnableCommand,
    workerSignal: AbortSignal,
  ): Promise<TickResult> {
    const { now, maxWaitMs } = this.#options;
    this.#limit ??= new CommandLimit(commandsByDescriptors(), now);
    const until = now() + maxWaitMs;
    while (!workerSignal.aborted && now() <= until) {
      if (this.#limit.enter()) {
        const result = await this.#attempt(task, command, this.#limit, workerSignal);
        if (result !== 'no room') return result;
      } else this.#logLimit('EMFILE', { maxCommands: this.#limit.max });
      await room(this.#limit, workerSignal);
    }
    return { kind: 'aborted' };
  }

  async #attempt(
    task: TickTask,
    command: RunnableCommand,
    limit: CommandLimit,
    workerSignal: AbortSignal,
  ): Promise<TickResult | 'no room'> {
    let path: string | undefined;
    try {
      const input = JSON.stringify(inputOf(task));
      path = await this.#write(input);
      const running = await this.#start(task, command, input, path);
      const result = await this.#superviseUntilEnd(running, task, command, workerSignal);
      limit.leave();
      return result;
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (SYSTEM_LIMITS[code] === undefined) {
        limit.leave();
        return { kind: 'failed', error: await startProblem(error as Error, command) };
      }
      limit.refuse();
      this.#logLimit(code, {});
      return 'no room';
    } finally {
      if (path !== undefined) await INPUT_FILES.remove(path);
    }
  }

  async #start(
    task: TickTask,
    command: RunnableCommand,
    input: string,
    path: string | undefined,
  ): Promise<RunningCommand> {
    const { report, inherited } = this.#options;
    const log = (line: string): void => report(task, line);
    const start = (isMinimal: boolean): Promise<RunningCommand> => {
      const parts = { inherited, own: command.env, input: path };
      const env = commandEnvironment(task, parts, isMinimal);
      return startCommand(command, env, input, { groups: this.#groups, log });
    };
    try {
      return await start(false);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'E2BIG') throw error;
      return start(true);
    }
  }

  /** The attempt has ended only when the command's processes have. */
  #superviseUntilEnd(
    running: RunningCommand,
    task: TickTask,
    command: RunnableCommand,
    workerSignal: AbortSignal,
  ): Promise<TickResult> {
    const cancellation = new Cancellation();
    cancellation.signal.addEventListener('abort', () => running.stop(), { once: true });
    // The state that follows the activity of a hook is the one that the instance has moved to.
    const next = task.hook === undefined ? command.next : task.state;
    const attempt = running.ended.then((end) =>
      commandResult(end, { ...command, next }, task.payload),
    );
    return supervise(task, attempt, {
      cancellable: cancellation,
      workerSignal,
      deadlines: this.#options.deadlines,
      mayBeAbandoned: false,
    });
  }

  /** Undefined where temporary files cannot be written: the command still has its input on standard input. */
  async #write(input: string): Promise<string | undefined> {
    try {
      return await INPUT_FILES.write(input);
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      if (SYSTEM_LIMITS[code] !== undefined) throw error;
      if (!this.#hasLoggedNoFile) {
        const remedy = 'commands have no FLOCKWORK_STEP_INPUT; set TMPDIR to a writable directory';
        this.#options.log.warn({ code, message }, `cannot write temporary files; ${remedy}`);
      }
      this.#hasLoggedNoFile = true;
      return undefined;
    }
  }

  #logLimit(code: string, fields: Record<string, unknown>): void {
    const { now, log } = this.#options;
    if (now() - this.#limitLoggedAt < LOG_LIMIT_INTERVAL_MS) return;
    this.#limitLoggedAt = now();
    const message =
      'cannot start more commands at a time; states wait or are given back, no attempt is counted';
    log.warn({ code, limit: SYSTEM_LIMITS[code], ...fields }, message);
  }
}

/** Finds out what is missing: the system's error names the shell in any case. */
async function startProblem(
  error: NodeJS.ErrnoException,
  command: RunnableCommand,
): Promise<{ message: string; fatal?: boolean }> {
  const because = (reason: string): { message: string } => ({
    message: `cannot start the command: ${reason}`,
  });
  if (error.code === 'E2BIG') {
    const reason = `its command line (${command.run.length} characters) and its env are more than this system takes; put them into a script`;
    return { ...because(reason), fatal: true };
  }
  // A null character, which cannot be passed to a process.
  if (error.code === 'ERR_INVALID_ARG_VALUE') return { ...because(error.message), fatal: true };
  const folder = absolute(command.cwd);
  const wrong = await folderProblem(folder);
  if (wrong !== undefined) return because(`its working directory ${folder} ${wrong}`);
  if (error.code === 'EACCES') {
    return because(`this user may not access its working directory ${folder} or ${SHELL}`);
  }
  return because(error.code === 'ENOENT' ? `${SHELL} does not exist` : error.message);
}

async function folderProblem(folder: string): Promise<string | undefined> {
  try {
    return (await stat(folder)).isDirectory() ? undefined : 'is not a directory';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'does not exist' : `cannot be read: ${message}`;
  }
}
