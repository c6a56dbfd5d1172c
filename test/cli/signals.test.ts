/** What stops and what ends a process of the command line, in processes of their own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';

const SCRIPT = `
  import { listenForSignals } from '${join(import.meta.dirname, '../../src/cli/signals.ts')}';
  const { stop, received, lost } = listenForSignals();
  const told = () => process.stderr.write('told ' + received() + '\\n');
  stop.addEventListener('abort', told);
  setInterval(() => {
    process.stdout.write('tick\\n');
    if (lost() !== undefined && process.argv[1] === 'lost') process.exit(7);
  }, 20);`;

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

function start(stdout: 'pipe' | number, ...args: string[]): ChildProcess {
  const script = ['--input-type=module', '-e', SCRIPT, ...args];
  const child = spawn(process.execPath, script, { stdio: ['ignore', stdout, 'pipe', 'ipc'] });
  started.push(child);
  return child;
}

async function said(child: ChildProcess): Promise<string> {
  const [chunk] = (await once(child.stderr!, 'data')) as [Buffer];
  return chunk.toString();
}

describe('a process of the command line', () => {
  test.each([
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
    ['SIGTERM', 143],
  ] as const)('stops at the first %s, and ends at the second with %i', async (signal, status) => {
    const child = start('pipe');
    await once(child.stdout!, 'data');
    const text = said(child);
    child.kill(signal);
    expect(await text).toBe(`told ${signal}\n`);
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([status, null]);
  });

  test('stops when its parent has ended, unless it is stopping already', async () => {
    const child = start('pipe');
    await once(child.stdout!, 'data');
    const text = said(child);
    child.disconnect();
    expect(await text).toBe('told SIGHUP\n');
    const other = start('pipe');
    await once(other.stdout!, 'data');
    const first = said(other);
    other.kill('SIGTERM');
    await first;
    other.disconnect();
    await once(other.stdout!, 'data');
    expect(other.exitCode).toBeNull();
  });

  test('stops when the reader of its output closes', async () => {
    const child = start('pipe');
    await once(child.stdout!, 'data');
    const text = said(child);
    child.stdout!.destroy();
    expect(await text).toBe('told undefined\n');
  });

  test.skipIf(!existsSync('/dev/full'))(
    'goes on when its output has no room, and says so once',
    async () => {
      const child = start(openSync('/dev/full', 'w'), 'lost');
      let text = '';
      child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()));
      expect(await once(child, 'close')).toEqual([7, null]);
      expect(text).toMatch(/^flockwork: cannot write to standard output: ENOSPC.*\n$/);
    },
  );
});
