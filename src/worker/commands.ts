/** Runs attempts whose activity is a command: begins each when the system has room for it, and judges its end. */
import { stat } from 'node:fs/promises';
import { resolve as absolute } from 'node:path';
import { commandResult } from '../machine/command-result.ts';
import type { Json } from '../machine/definition.ts';
import { Cancellation } from './cancellation.ts';
import { commandEnvironment, type Variables } from './command-environment.ts';
import { CommandInputs } from './command-inputs.ts';
import { CommandLimit } from './command-limit.ts';
import { SHELL, startCommand, type RunnableCommand, type RunningCommand } from './command.ts';
import type { Deadlines } from './deadlines.ts';
import { commandsByDescriptors } from './descriptors.ts';
import type { Log } from '../engine/ports.ts';
import type { TickResult, TickTask } from './ports.ts';
import { ProcessGroups } from './process-groups.ts';
import { supervise } from './supervise.ts';

/** Milliseconds. */
const TRY_AGAIN_MS = 250;
const SAY_AGAIN_MS = 60_000;

/** The system has no room now, and may have another time: what its limit is called. */
const LIMITS: Readonly<Record<string, string>> = {
  EMFILE: 'open files of this process (ulimit -n)',
  ENFILE: 'open files of this system (fs.file-max)',
  EAGAIN: 'processes (ulimit -u, or the pids limit of the container)',
  ENOMEM: 'memory',
  ENOSPC: 'space for temporary files (TMPDIR)',
  EDQUOT: 'space for temporary files (TMPDIR)',
};

/** One directory for each process. */
const INPUTS = new CommandInputs();

export interface CommandsOptions {
  /** The monotonic clock, ms. */
  readonly now: () => number;
  readonly log: Log;
  /** A line that a command of this task says. */
  readonly report: (task: TickTask, line: string) => void;
  readonly deadlines: Deadlines;
  /** What commands get of this process's environment. */
  readonly inherited: Variables;
  /** Milliseconds that a command may wait for room; then its state is given back, as aborted. */
  readonly patience: number;
}

export class Commands {
  readonly #options: CommandsOptions;
  readonly #groups = new ProcessGroups();
  #limit: CommandLimit | undefined;
  #saidLimit = Number.NEGATIVE_INFINITY;
  #hasSaidNoFile = false;

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async execute(
    task: TickTask,
    command: RunnableCommand,
    workerSignal: AbortSignal,
  ): Promise<TickResult> {
    const { now, patience } = this.#options;
    this.#limit ??= new CommandLimit(commandsByDescriptors(), now);
    const until = now() + patience;
    while (!workerSignal.aborted && now() <= until) {
      if (this.#limit.enter()) {
        const result = await this.#attempt(task, command, this.#limit, workerSignal);
        if (result !== 'no room') return result;
      } else this.#sayLimit('EMFILE', { atATime: this.#limit.most });
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
      if (LIMITS[code] === undefined) {
        limit.leave();
        return { kind: 'failed', error: await startProblem(error as Error, command) };
      }
      limit.refuse();
      this.#sayLimit(code, {});
      return 'no room';
    } finally {
      if (path !== undefined) await INPUTS.remove(path);
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

  /** A command is over only when its processes are gone. */
  #superviseUntilEnd(
    running: RunningCommand,
    task: TickTask,
    command: RunnableCommand,
    workerSignal: AbortSignal,
  ): Promise<TickResult> {
    const cancellation = new Cancellation();
    cancellation.signal.addEventListener('abort', () => running.stop(), { once: true });
    const attempt = running.ended.then((end) => commandResult(end, command, task.payload));
    return supervise(task, attempt, {
      cancellable: cancellation,
      workerSignal,
      deadlines: this.#options.deadlines,
      mayBeLeft: false,
    });
  }

  /** Undefined where temporary files cannot be written at all: what a command reads from standard input it has still. */
  async #write(input: string): Promise<string | undefined> {
    try {
      return await INPUTS.write(input);
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      if (LIMITS[code] !== undefined) throw error;
      if (!this.#hasSaidNoFile) {
        const remedy = 'commands have no FLOCKWORK_STEP_INPUT; set TMPDIR to a writable directory';
        this.#options.log.warn({ code }, `cannot write temporary files: ${message}; ${remedy}`);
      }
      this.#hasSaidNoFile = true;
      return undefined;
    }
  }

  #sayLimit(code: string, facts: Record<string, unknown>): void {
    const { now, log } = this.#options;
    if (now() - this.#saidLimit < SAY_AGAIN_MS) return;
    this.#saidLimit = now();
    const message = `cannot start more commands at a time: limit of ${LIMITS[code]}; states wait or are given back, no attempt is counted`;
    log.warn({ code, ...facts }, message);
  }
}

/** Until another command has left, the worker is to stop, or it is time to try again. */
function room(limit: CommandLimit, workerSignal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const goOn = (): void => {
      clearTimeout(timer);
      stopWaiting();
      workerSignal.removeEventListener('abort', goOn);
      resolve();
    };
    const timer = setTimeout(goOn, TRY_AGAIN_MS);
    const stopWaiting = limit.wait(goOn);
    workerSignal.addEventListener('abort', goOn, { once: true });
  });
}

/** What a command reads: all that a tick gets. */
function inputOf(task: TickTask): Json {
  const { instance, state, payload, attempt, idempotencyKey, machine, sensors, outputs } = task;
  const seen = Object.keys(sensors).length > 0 && { sensors: sensors as Json };
  const joined = Object.keys(outputs).length > 0 && { outputs };
  return { instance, machine, state, payload, attempt, idempotencyKey, ...seen, ...joined };
}

/** The system names the shell, whatever it is that is not there. */
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
  // A null character, which no process can be given.
  if (error.code === 'ERR_INVALID_ARG_VALUE') return { ...because(error.message), fatal: true };
  const folder = absolute(command.cwd);
  const wrong = await folderProblem(folder);
  if (wrong !== undefined) return because(`its working directory is ${folder}, and ${wrong}`);
  if (error.code === 'EACCES') {
    return because(`${folder}, its working directory, or ${SHELL} may not be used by this user`);
  }
  return because(error.code === 'ENOENT' ? `there is no ${SHELL} here` : error.message);
}

async function folderProblem(folder: string): Promise<string | undefined> {
  try {
    return (await stat(folder)).isDirectory() ? undefined : 'it is no directory';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'there is none' : message;
  }
}
