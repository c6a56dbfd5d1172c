import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { realClock } from '../../src/api/node-ports.ts';
import type { RunnableActivity } from '../../src/machine/definition.ts';
import { createExecute } from '../../src/worker/executor.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { AbortSource, TickTask } from '../../src/worker/ports.ts';
import { commandTask } from './task.ts';

const never = new AbortController();
const WAIT = { timeout: 60_000 };
const HOOK = { run: 'announce', from: 'shut', event: 'open' };
let folder: string;
let pids: number[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'commands-'));
  pids = [];
});
afterEach(() => {
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function pidIn(name: string): number {
  const pid = Number(readFileSync(join(folder, name), 'utf8'));
  pids.push(pid);
  return pid;
}

function setUp(): {
  run: (task: TickTask, source?: AbortSource) => Promise<unknown>;
  logged: string[];
} {
  const logged: string[] = [];
  const line = (_facts: object, message: string): void => void logged.push(message);
  const log: Log = { debug: line, info: line, warn: line, error: line };
  const inherited = { PATH: process.env['PATH'], F: folder };
  const execute = createExecute({
    clock: realClock,
    log,
    print: () => undefined,
    pauseScale: 1,
    inherited,
  });
  return { run: async (task, source = never) => execute(task, source), logged };
}
const command = (
  run: string,
  more: Partial<Extract<RunnableActivity, { kind: 'command' }>> = {},
): TickTask => commandTask(run, more);
const output = (value: unknown) => ({ kind: 'answer', answer: { kind: 'done', output: value } });

describe('a command has ended when its process has', () => {
  test.each([
    ['both pipes', ''],
    ['standard error', '>/dev/null'],
    ['standard output', '2>/dev/null'],
  ])('though a daemon holds %s, and what it wrote before is read', async (_what, redirect) => {
    const { run, logged } = setUp();
    const daemon = `setsid sh -c 'echo $$ >$F/pid.new; mv $F/pid.new $F/pid; exec sleep 600' ${redirect} &`;
    const until = 'while ! [ -e $F/pid ]; do sleep 0.02; done';
    const task = command(`${daemon} ${until}; echo said >&2; echo '{"n": 7}'`);
    expect(await run(task)).toEqual(output({ n: 7 }));
    expect(logged).toEqual(['said']);
    expect(isAlive(pidIn('pid'))).toBe(true);
  });

  test('and all of its output has been read', async () => {
    const { run } = setUp();
    const task = command(`head -c 1000000 /dev/zero | tr '\\0' x`, { output: 'text' });
    expect(await run(task)).toEqual(output('x'.repeat(1_000_000)));
  });

  test('a child has time to clean up at the timeout', async () => {
    const { run } = setUp();
    const child = `trap 'sleep 0.2; echo > $F/clean; exit' TERM; echo > $F/ready; while :; do sleep 0.05; done`;
    const worker = new AbortController();
    const running = run(command(`sh -c '${child.replaceAll("'", `'\\''`)}' & wait`), worker);
    await vi.waitUntil(() => existsSync(join(folder, 'ready')), WAIT);
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
    expect(existsSync(join(folder, 'clean'))).toBe(true);
  });

  test('a command that prints without end is stopped', async () => {
    const { run } = setUp();
    const result = await run(command('yes'));
    expect(result).toMatchObject({ kind: 'failed', error: { fatal: true } });
  });
});

describe('what a command gets', () => {
  test('its input as a file that only this user can read, removed afterwards', async () => {
    const { run } = setUp();
    const shown = 'ls -l "$FLOCKWORK_STEP_INPUT" >&2; cmp - "$FLOCKWORK_STEP_INPUT" >&2 || exit 1';
    const tell = `printf '"%s"' "$FLOCKWORK_STEP_INPUT"`;
    const { run: again, logged } = setUp();
    const task = command(`cat > $F/in; tr -d '\\n' < $F/in > $F/stdin; ${tell}`);
    const result = (await run(task)) as { answer: { output: string } };
    expect(existsSync(result.answer.output)).toBe(false);
    expect(JSON.parse(readFileSync(join(folder, 'stdin'), 'utf8'))).toMatchObject({
      instance: 'x',
    });
    expect(await again(command(`tr -d '\\n' | (${shown})`))).toMatchObject({ kind: 'answer' });
    expect(logged).toEqual([expect.stringMatching(/^-rw-------/)]);
  });

  test('of the worker’s environment only the inherited part', async () => {
    const { run } = setUp();
    const task = command(`printf '"%s"' "$HOME"`);
    expect(await run({ ...task, directory: '/vol' })).toEqual(output(''));
  });

  test('a payload that is too long for an environment only in its file', async () => {
    const { run } = setUp();
    const task = command(
      `node -e 'console.log(require("fs").readFileSync(process.env.FLOCKWORK_STEP_INPUT, "utf8").length > 150000, process.env.FLOCKWORK_STEP_PAYLOAD === undefined)'`,
      { output: 'text' },
    );
    const payload = { text: '日'.repeat(50_000), more: 'x'.repeat(120_000) };
    expect(await run({ ...task, payload })).toEqual(output('true true'));
  });
});

describe('a command that cannot be started', () => {
  test.each([
    [{ cwd: 'not/there' }, 'not/there does not exist'],
    [{ cwd: 'package.json' }, 'package.json is not a directory'],
  ])('is a failed attempt that names its working directory: %o', async (more, words) => {
    const { run } = setUp();
    const result = await run(command('true', more));
    const message = expect.stringContaining(words);
    expect(result).toEqual({ kind: 'failed', error: { message } });
  });

  test.each([
    [`: ${'x'.repeat(200_000)}`, {}, 'put them into a script'],
    ['true', { env: { BIG: 'x'.repeat(200_000) } }, 'put them into a script'],
    ['true \0', {}, 'null bytes'],
  ])('has failed for good when no system takes it', async (line, more, words) => {
    const { run } = setUp();
    const message = expect.stringContaining(words);
    expect(await run(command(line, more))).toEqual({
      kind: 'failed',
      error: { message, fatal: true },
    });
  });
});

/** In a process of its own, which has few descriptors or ends while commands run. */
function runInProcess(
  script: string,
  limit: string,
): Promise<{ status: number | null; text: string }> {
  const source = join(import.meta.dirname, '../../src');
  const module = `
    import { createExecute } from '${source}/worker/executor.ts';
    import { realClock } from '${source}/api/node-ports.ts';
    import { commandTask } from '${import.meta.dirname}/task.ts';
    const said = [];
    const line = ({ limit }, message) => void said.push({ message, limit });
    const log = { debug: line, info: line, warn: line, error: line };
    const options = { clock: realClock, log, print: () => undefined, pauseScale: 1, maxWaitMs: 60_000 };
    const execute = createExecute(options);
    const never = new AbortController();
    ${script}`;
  const line = `${limit}; exec "$NODE" --input-type=module -e "$SCRIPT"`;
  const child = spawn('/bin/sh', ['-c', line], {
    env: { ...process.env, SCRIPT: module, NODE: process.execPath, F: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, text })));
}

test('lets commands wait for file descriptors, fails none, and logs the limit once', async () => {
  const script = `
    const all = Array.from({ length: 60 }, () => execute(commandTask('sleep 0.1'), never));
    const kinds = new Set((await Promise.all(all)).map(({ kind }) => kind));
    console.log(JSON.stringify({ kinds: [...kinds], said }));`;
  const { text } = await runInProcess(script, 'ulimit -n 100');
  expect(JSON.parse(text)).toEqual({
    kinds: ['answer'],
    said: [
      {
        message: expect.stringContaining('cannot start more commands at a time'),
        limit: 'open files of this process (ulimit -n)',
      },
    ],
  });
});

test('kills commands when the process ends', async () => {
  const script = `
    import { existsSync } from 'node:fs';
    void execute(commandTask('(trap "" TERM INT HUP; echo $$ > $F/new; mv $F/new $F/pid; exec sleep 600)'), never);
    const look = setInterval(() => existsSync(process.env.F + '/pid') && process.exit(130), 10);`;
  const { status } = await runInProcess(script, ':');
  expect(status).toBe(130);
  const pid = pidIn('pid');
  await vi.waitUntil(() => !isAlive(pid), WAIT);
});

describe('the command of a hook', () => {
  test('has its transition in its input', async () => {
    const { run } = setUp();
    const copy = { ...commandTask('cat > "$F/input"', WAIT), hook: HOOK };
    expect(await run(copy)).toMatchObject({ kind: 'answer' });
    const input = JSON.parse(readFileSync(join(folder, 'input'), 'utf8')) as object;
    expect(input).toMatchObject({ transition: { from: 'shut', event: 'open', details: null } });
    await run(commandTask('cat > "$F/input"', WAIT));
    expect(JSON.parse(readFileSync(join(folder, 'input'), 'utf8'))).not.toHaveProperty(
      'transition',
    );
  });

  test.each([
    ['nothing', 'true', 'json', { kind: 'next', state: 's', payload: {} }],
    ['a payload', 'echo 7', 'json', { kind: 'next', state: 's', payload: 7 }],
    ['text', 'echo said', 'text', { kind: 'next', state: 's', payload: {} }],
    ['an answer', `echo '{"wait": true}'`, 'json', { kind: 'wait', payload: {} }],
  ] as const)('goes on in its state when it prints %s', async (_what, line, kind, answer) => {
    const { run } = setUp();
    const task = { ...commandTask(line, { ...WAIT, output: kind }), hook: HOOK };
    expect(await run(task)).toEqual({ kind: 'answer', answer });
  });
});
