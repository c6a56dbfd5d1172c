/** Real worker processes on a volume of their own: started here, stopped here by pid, and waited for. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const MAIN = resolve(import.meta.dirname, '../src/cli/main.ts');

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Process {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.on('data', (chunk) => (this.stdout += chunk));
    this.child.stderr!.on('data', (chunk) => (this.stderr += chunk));
    this.ended = once(this.child, 'close').then(([status, signal]) => ({
      status: status as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Runs one command to its end. */
export function run(...args: string[]): Promise<Ran> {
  return new Process(args).ended;
}

/** A volume in a temporary directory, and the workers on it. */
export class Fleet implements AsyncDisposable {
  readonly dir: string;
  readonly #processes: Process[] = [];

  constructor(parent: string = tmpdir()) {
    this.dir = mkdtempSync(join(parent, 'flockwork-'));
  }

  worker(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Process {
    const worker = new Process(['worker', '--dir', this.dir, '--name', name, ...args], env);
    this.#processes.push(worker);
    return worker;
  }

  /** Any other command on this volume that takes its time. */
  command(name: string, ...args: string[]): Process {
    const process = new Process([name, '--dir', this.dir, ...args]);
    this.#processes.push(process);
    return process;
  }

  put(name: string, content: unknown): void {
    const text = typeof content === 'string' ? content : JSON.stringify(content);
    writeFileSync(join(this.dir, name), text);
  }

  list(flag: string): string[] {
    try {
      return readdirSync(join(this.dir, flag)).sort();
    } catch {
      return [];
    }
  }

  read(...path: string[]): string {
    return readFileSync(join(this.dir, ...path), 'utf8');
  }

  /** Waits for a condition; there is no other way to know, and no other reason to wait. */
  async until(what: string, holds: () => boolean, limit: number = 60_000): Promise<void> {
    const end = Date.now() + limit;
    while (!holds()) {
      if (Date.now() > end) {
        const errors = this.#processes.map((one) => one.stderr.slice(-1500)).join('\n---\n');
        throw new Error(`waited in vain until ${what}\n${errors}`);
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }

  journal(): {
    state: string;
    worker: string;
    result: string;
    attempt: number;
    started: string;
    duration: number;
  }[] {
    const folder = join('.flockwork', 'journal');
    return this.list(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) => this.read(folder, name).trim().split('\n'))
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { child } of this.#processes) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGCONT');
        child.kill('SIGKILL');
      }
    }
    await Promise.all(this.#processes.map((one) => one.ended));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
