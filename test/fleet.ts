/** Real worker processes on their own volume; disposing of the fleet ends them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { JournalEntry } from '../src/volume/operations.ts';
import { parseJournalLine, parseJournalName } from '../src/volume/journal.ts';

const MAIN = resolve(import.meta.dirname, '../src/cli/main.ts');

export interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process, local or on another machine. */
export interface Running {
  /** Undefined on another machine. */
  readonly pid?: number | undefined;
  readonly ended: Promise<Ran>;
  readonly stdout: string;
  readonly stderr: string;
  readonly isOver: boolean;
  kill(signal: NodeJS.Signals): void;
}

/** Starts `node` with these arguments, here or on another machine. */
export type Launch = (args: readonly string[], env?: NodeJS.ProcessEnv) => Running;

/** A host that has mounted the parent directory of the volumes. */
export interface Host {
  readonly root: string;
  readonly launch: Launch;
  /** Milliseconds by which its clock is ahead. */
  readonly ahead?: number;
}

class Process implements Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: NodeJS.ProcessEnv) {
    this.child = spawn(process.execPath, args, {
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

  get pid(): number | undefined {
    return this.child.pid;
  }

  get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

export const launchHere: Launch = (args, env = {}) => new Process(args, env);

/** Runs one command to its end. */
export function run(...args: string[]): Promise<Ran> {
  return launchHere([MAIN, ...args]).ended;
}

/** A volume in a temporary directory, and the workers on it. */
export class Fleet implements AsyncDisposable {
  readonly dir: string;
  readonly #processes: Running[] = [];

  constructor(parent: string = tmpdir(), dir: string = mkdtempSync(join(parent, 'flockwork-'))) {
    this.dir = dir;
  }

  worker(
    name: string,
    args: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
    host: Host = { root: dirname(this.dir), launch: launchHere },
  ): Running {
    const dir = join(host.root, basename(this.dir));
    return this.#keep(host.launch([MAIN, 'worker', '--dir', dir, '--name', name, ...args], env));
  }

  /** Starts another long-running command on this volume. */
  command(name: string, ...args: string[]): Running {
    return this.#keep(launchHere([MAIN, name, '--dir', this.dir, ...args]));
  }

  #keep(process: Running): Running {
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

  /** Polls until a condition holds; throws after `limit` ms. */
  async until(what: string, holds: () => boolean, limit: number = 60_000): Promise<void> {
    const end = Date.now() + limit;
    while (!holds()) {
      if (Date.now() > end) {
        const errors = this.#processes.map((one) => one.stderr.slice(-1500)).join('\n---\n');
        throw new Error(`timed out after ${limit} ms: ${what}\n${errors}`);
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }

  /** Without lines that a crash truncated. */
  journal(): JournalEntry[] {
    const folder = join('.flockwork', 'journal');
    return this.list(folder).flatMap((name) => {
      const owner = parseJournalName(name);
      if (owner === undefined) return [];
      const lines = this.read(folder, name).split('\n');
      return lines.flatMap((line) => parseJournalLine(line, owner) ?? []);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#processes) {
      if (one.isOver) continue;
      one.kill('SIGCONT');
      one.kill('SIGKILL');
    }
    await Promise.all(this.#processes.map((one) => one.ended));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
