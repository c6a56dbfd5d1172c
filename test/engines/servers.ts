/** Database servers for tests: each in a directory of its own, on a free port of loopback, stopped by its process id. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../bench/ports.ts';
import { asItsUser, EMPTY, PROGRAMS } from '../../bench/postgres.ts';

const run = promisify(execFile);

export interface Server extends AsyncDisposable {
  /** Of a user with all rights. */
  readonly url: string;
  /** Kills all of its processes at once, as a power cut does to them; resolves when they are gone. */
  kill(): Promise<void>;
  /** Starts it again where it was. */
  restart(): Promise<void>;
}

/** `settings`: NAME=VALUE. Without any it keeps its promises (fsync). */
export async function startPostgres(settings: readonly string[] = []): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'flockwork-postgres-'));
  chmodSync(directory, 0o755);
  const data = join(directory, 'data');
  mkdirSync(data);
  if (process.getuid?.() === 0) await run('chown', ['postgres:postgres', data]);
  await run(...asItsUser([join(PROGRAMS, 'initdb'), '-D', data, ...EMPTY]), { cwd: directory });
  const port = await freePort();
  const place = ['-D', data, '-k', data, '-p', String(port), '-h', '127.0.0.1'];
  const options = ['max_connections=300', ...settings].flatMap((setting) => ['-c', setting]);
  const command = asItsUser([join(PROGRAMS, 'postgres'), ...place, ...options]);
  let server = await begin(command, directory);
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    kill: async () => {
      const processes = await processesOf(server.pid!);
      for (const pid of processes) signal(pid, 'SIGKILL');
      await ended(server);
      while (processes.some(isAlive)) await new Promise((wake) => setTimeout(wake, 20));
    },
    restart: async () => {
      server = await begin(command, directory);
    },
    [Symbol.asyncDispose]: async () => {
      // At once, and its children with it.
      server.kill('SIGQUIT');
      await ended(server);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when it accepts connections. */
async function begin(
  [program, args]: readonly [string, string[]],
  directory: string,
): Promise<ChildProcess> {
  const server = spawn(program, args, { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (text: Buffer) => (log += text.toString()));
  const end = once(server, 'exit');
  while (!log.includes('ready to accept connections')) {
    if (hasEnded(server)) throw new Error(`${program} has ended: ${log}`);
    await Promise.race([once(server.stderr, 'data'), end]);
  }
  return server;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

async function ended(server: ChildProcess): Promise<void> {
  if (!hasEnded(server)) await once(server, 'exit');
}

/** It, and its children. */
async function processesOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-o', 'pid=', '--ppid', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return [pid, ...stdout.split(/\s+/).filter(Boolean).map(Number)];
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

const isAlive = (pid: number): boolean => signal(pid, 0);
