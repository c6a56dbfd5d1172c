/**
 * Runs an activity that is a command: the state as JSON on its standard input, in a file and in FLOCKWORK_STEP_* variables,
 * the answer on its standard output, diagnostics on standard error. It has ended when its process has, even if another
 * process holds its pipes open; a command that is stopped has ended when its process group has.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { MAX_OUTPUT_BYTES, type CommandEnd } from '../machine/command-result.ts';
import type { RunnableActivity } from '../machine/definition.ts';

export type RunnableCommand = Extract<RunnableActivity, { kind: 'command' }>;

export const SHELL = '/bin/sh';

/** From SIGTERM to SIGKILL. */
const KILL_AFTER_MS = 2000;
/** From SIGKILL until a process that still does not end is abandoned. */
const ABANDON_AFTER_MS = 5000;
const GROUP_POLL_MS = 20;
/** For reading the pipes after the process has ended. */
const DRAIN_PIPES_MS = 200;
/** The same, while data still arrives. */
const MAX_DRAIN_PIPES_MS = 2000;
const MAX_LAST_LINES = 5;
const MAX_LAST_LINE_LENGTH = 1000;
/** Further bytes of a line are counted and dropped. */
const MAX_LINE_BYTES = 16 * 1024;
const LINE_FEED = 10;

interface CommandPorts {
  readonly groups: ProcessGroups;
  /** A line of standard error, or of output that is not an answer. */
  readonly log: (line: string) => void;
}

/** Rejects with the error of the system; no process or pipe is left then. */
export async function startCommand(
  command: RunnableCommand,
  env: Readonly<Record<string, string>>,
  input: string,
  ports: CommandPorts,
): Promise<RunningCommand> {
  const child = spawn(SHELL, ['-c', command.run], {
    cwd: command.cwd,
    env,
    stdio: ['pipe', command.output === 'none' ? 'ignore' : 'pipe', 'pipe'],
    // A process group of its own: at the timeout all of it must end.
    detached: true,
  });
  if (child.pid === undefined) {
    const [error] = (await once(child, 'error')) as [NodeJS.ErrnoException];
    detach(child);
    throw error;
  }
  const running = new RunningCommand(child, child.pid, command, ports);
  // A program need not read its input.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(`${input}\n`);
  return running;
}

function detach(child: ChildProcess): void {
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
  child.unref();
}

type Exit = readonly [status: number | null, signal: string | null];

export class RunningCommand {
  /** Never rejects. */
  readonly ended: Promise<CommandEnd>;
  readonly #child: ChildProcess;
  readonly #leader: number;
  readonly #exit = Promise.withResolvers<Exit>();
  readonly #closed = Promise.withResolvers<void>();
  #isClosed = false;
  #stopping: Promise<void> | undefined;
  #received = 0;

  constructor(
    child: ChildProcess,
    leader: number,
    command: RunnableCommand,
    { groups, log }: CommandPorts,
  ) {
    this.#child = child;
    this.#leader = leader;
    groups.add(leader);
    child.once('exit', (status, signal) => this.#exit.resolve([status, signal]));
    child.once('close', () => {
      this.#isClosed = true;
      this.#closed.resolve();
    });
    // The process has started: an error here is a signal that could not be sent.
    child.on('error', () => undefined);
    this.ended = this.#toEnd(command, groups, log);
  }

  /** Sends SIGTERM to the process group, and SIGKILL to what is left of it later. */
  stop(): void {
    this.#stopping ??= this.#stop();
  }

  async #stop(): Promise<void> {
    const isThere = (): boolean => signalGroup(this.#leader, 0);
    const waitUntil = async (isSo: () => boolean, ms: number): Promise<void> => {
      const limit = performance.now() + ms;
      while (!isSo() && performance.now() < limit) await sleep(GROUP_POLL_MS);
    };
    signalGroup(this.#leader, 'SIGTERM');
    await waitUntil(() => !isThere(), KILL_AFTER_MS);
    signalGroup(this.#leader, 'SIGKILL');
    await waitUntil(() => !isThere(), ABANDON_AFTER_MS);
    // A process that waits for a device that does not answer survives even SIGKILL.
    this.#exit.resolve([null, 'SIGKILL']);
  }

  async #toEnd(
    command: RunnableCommand,
    groups: ProcessGroups,
    log: (line: string) => void,
  ): Promise<CommandEnd> {
    const lastLines: string[] = [];
    const stderr = new LogLines((line) => {
      log(line);
      lastLines.push(line.slice(0, MAX_LAST_LINE_LENGTH));
      if (lastLines.length > MAX_LAST_LINES) lastLines.shift();
    });
    const isForLog = command.output === 'text' && command.next !== undefined;
    const stdoutLines = new LogLines(log);
    const kept: Buffer[] = [];
    let size = 0;
    const keep = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= MAX_OUTPUT_BYTES) kept.push(chunk);
      else this.stop();
    };
    this.#read(this.#child.stdout, isForLog ? (chunk) => stdoutLines.add(chunk) : keep);
    this.#read(this.#child.stderr, (chunk) => stderr.add(chunk));
    const [status, signal] = await this.#exit.promise;
    await this.#stopping;
    await this.#drain();
    groups.delete(this.#leader);
    detach(this.#child);
    for (const lines of [stdoutLines, stderr]) lines.end();
    const isTooMuch = size > MAX_OUTPUT_BYTES;
    return { status, signal, stdout: Buffer.concat(kept), isTooMuch, lastLines };
  }

  #read(stream: NodeJS.ReadableStream | null, take: (chunk: Buffer) => void): void {
    stream?.on('error', () => undefined);
    stream?.on('data', (chunk: Buffer) => {
      this.#received += chunk.length;
      take(chunk);
    });
  }

  /** Reads what the process wrote before it ended; does not wait for a daemon that holds the pipes open. */
  async #drain(): Promise<void> {
    if (this.#isClosed) return;
    const moment = new AbortController();
    const passed = sleep(DRAIN_PIPES_MS, undefined, { signal: moment.signal }).catch(
      () => undefined,
    );
    await Promise.race([this.#closed.promise, passed]);
    moment.abort();
    const limit = performance.now() + MAX_DRAIN_PIPES_MS;
    let before = Number.NaN;
    while (!this.#isClosed && this.#received !== before && performance.now() < limit) {
      before = this.#received;
      // One turn of the event loop reads what there is; timers come before it.
      await setImmediate();
      await setImmediate();
    }
  }
}

/** The process groups of running commands. They are killed when this process ends, except by SIGKILL. */
export class ProcessGroups {
  readonly #leaders = new Set<number>();
  readonly #killAll = (): void => {
    for (const leader of this.#leaders) signalGroup(leader, 'SIGKILL');
  };

  add(leader: number): void {
    if (this.#leaders.size === 0) process.on('exit', this.#killAll);
    this.#leaders.add(leader);
  }

  delete(leader: number): void {
    this.#leaders.delete(leader);
    if (this.#leaders.size === 0) process.off('exit', this.#killAll);
  }
}

/** Returns false if no process of the group is left. */
function signalGroup(leader: number, signal: 'SIGTERM' | 'SIGKILL' | 0): boolean {
  try {
    return process.kill(-leader, signal);
  } catch (error) {
    // EPERM: the process exists, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Splits a byte stream into lines for a log, with bounded memory. */
export class LogLines {
  readonly #onLine: (line: string) => void;
  #pieces: Buffer[] = [];
  #length = 0;
  #dropped = 0;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  add(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      this.#keep(chunk.subarray(start, end === -1 ? chunk.length : end));
      if (end === -1) return;
      this.#flush();
      start = end + 1;
    }
  }

  /** Flushes a last line that has no line feed. */
  end(): void {
    if (this.#length > 0) this.#flush();
  }

  #keep(piece: Buffer): void {
    const kept = piece.subarray(0, MAX_LINE_BYTES - this.#length);
    this.#dropped += piece.length - kept.length;
    if (kept.length === 0) return;
    // A copy: the piece would keep its whole chunk in memory.
    this.#pieces.push(Buffer.from(kept));
    this.#length += kept.length;
  }

  /** A carriage return ends a line too: progress bars write it. */
  #flush(): void {
    const text = Buffer.concat(this.#pieces).toString('utf8');
    const cut = this.#dropped > 0 ? `… (cut: ${this.#dropped} more bytes)` : '';
    this.#pieces = [];
    this.#length = 0;
    this.#dropped = 0;
    const lines = `${text}${cut}`.replace(/\r$/, '').split('\r');
    for (const line of lines.length === 1 ? lines : lines.filter((one) => one !== '')) {
      this.#onLine(line);
    }
  }
}
