/** All processes that the benchmark starts; ends them by pid. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';

const MAX_KEPT_CHARS = 20_000;
const MAX_PRINTED_CHARS = 2000;
const running = new Set<Child>();
let isOver = false;

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** A channel for messages. */
  readonly ipc?: boolean;
  readonly input?: string;
  /** Signal that ends it at once. Default SIGKILL. */
  readonly end?: NodeJS.Signals;
}

export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly #command: string;
  readonly #endSignal: NodeJS.Signals;
  #output = '';

  constructor(command: string, args: readonly string[], options: StartOptions = {}) {
    assertOpen();
    this.#command = [command, ...args].join(' ').slice(0, 300);
    this.#endSignal = options.end ?? 'SIGKILL';
    const stdio: StdioOptions = [
      options.input === undefined ? 'ignore' : 'pipe',
      'pipe',
      'pipe',
      ...(options.ipc === true ? (['ipc'] as const) : []),
    ];
    this.process = spawn(command, args, {
      env: { ...process.env, ...options.env },
      stdio,
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    running.add(this);
    for (const stream of [this.process.stdout!, this.process.stderr!]) {
      stream.on(
        'data',
        (chunk) => (this.#output = (this.#output + String(chunk)).slice(-MAX_KEPT_CHARS)),
      );
    }
    if (options.input !== undefined) this.process.stdin!.end(options.input);
    this.ended = this.#end();
  }

  async #end(): Promise<number | null> {
    try {
      const [status] = (await once(this.process, 'close')) as [number | null];
      return status;
    } catch (error) {
      this.#output += String(error);
      return null;
    } finally {
      running.delete(this);
    }
  }

  /** Its last output. */
  get output(): string {
    return this.#output;
  }

  get #last(): string {
    return this.#output.slice(-MAX_PRINTED_CHARS);
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get isOver(): boolean {
    return !running.has(this);
  }

  /** Throws if the process has ended before it was stopped. */
  assertAlive(): void {
    if (this.isOver) throw new Error(`${this.#command} has ended: ${this.#last}`);
  }

  async stop(signal: NodeJS.Signals = this.#endSignal): Promise<void> {
    this.process.kill(signal);
    await this.ended;
  }

  /** Waits for its end. Throws with its output if it failed. */
  async succeed(): Promise<void> {
    const status = await this.ended;
    if (status !== 0) throw new Error(`${this.#command} ended with ${status}: ${this.#last}`);
  }
}

export async function run(
  command: string,
  args: readonly string[],
  options: StartOptions = {},
): Promise<string> {
  const child = new Child(command, args, options);
  await child.succeed();
  return child.output;
}

/** Ends the processes of a failed measurement. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()));
}

/** Prevents further starts. */
export function close(): void {
  isOver = true;
}

/** Throws once the benchmark is over. */
export function assertOpen(): void {
  if (isOver) throw new Error('the benchmark is over');
}

/** Polls every `interval` ms until the condition holds. Throws after `limit` ms. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  interval = 20,
  limit = 300_000,
): Promise<void> {
  const end = performance.now() + limit;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`timed out waiting until ${what}`);
    await pause(interval);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
