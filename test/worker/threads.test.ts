import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { loadMachines } from '../../src/cli/machines.ts';
import type { Json } from '../../src/machine/definition.ts';
import { resolveState } from '../../src/machine/registry.ts';
import { startAutoThreads, type Threads } from '../../src/worker/threads.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { TickTask } from '../../src/worker/ports.ts';
import { StillClock } from '../still-clock.ts';
import { taskOf } from './task.ts';

const folder = mkdtempSync(join(tmpdir(), 'flockwork-auto-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'm.ts');
writeFileSync(
  file,
  `import { isMainThread } from 'node:worker_threads';
import { done, machine } from '${join(import.meta.dirname, '../../src/index.ts')}';
const here = ({ payload }) => { globalThis.passTime?.(payload.ms ?? 0); return done(isMainThread); };
export default machine({ name: 'm', activities: {
  block: { tick: here, timeout: '2s' },
  other: here,
  wait: async (context) => { await null; return here({ payload: {} }); },
} });`,
);
const registry = await loadMachines([file]);
const never = new AbortController();
const started: Threads[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((threads) => threads.close()));
});

function setUp() {
  const clock = new StillClock();
  const logged: unknown[][] = [];
  const line =
    (level: string) =>
    (fields: object, message: string): void =>
      void logged.push([level, fields, message]);
  const log: Log = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
  };
  Object.assign(globalThis, { passTime: (ms: number) => clock.pass(ms) });
  const threads = startAutoThreads({
    clock,
    log,
    print: () => undefined,
    pauseScale: 0,
    threads: 2,
    minThreads: 1,
    entry: new URL('../../src/cli/tick-thread.ts', import.meta.url),
    registry: () => registry,
    machines: [file],
    machinesVersion: () => 0,
    maxWaitMs: 60_000,
  });
  started.push(threads);
  const run = async (state: string, payload: Json = {}, more: Partial<TickTask> = {}) => {
    const resolved = resolveState(registry, { machine: 'm', state, payload });
    if (!resolved.ok || resolved.kind !== 'runnable')
      throw new Error(`expected ${state} to be runnable`);
    const { activity } = resolved;
    const task = taskOf(activity, { state, payload, ...more });
    const result = await threads.execute(task, never);
    return result.kind === 'answer' && result.answer.kind === 'done'
      ? result.answer.output
      : result;
  };
  return { run, logged };
}
const HERE = true;
const IN_A_THREAD = false;

test('runs an activity in a separate thread after it has blocked the worker’s own', async () => {
  const { run, logged } = setUp();
  expect(await run('block', { ms: 50 })).toBe(HERE);
  expect(await run('block', { ms: 51 })).toBe(HERE);
  expect(await run('block')).toBe(IN_A_THREAD);
  expect(await run('other')).toBe(HERE);
  expect(await run('wait')).toBe(HERE);
  expect(logged).toEqual([
    [
      'info',
      { state: 'x.state', machine: 'm', activity: 'block', blockedMs: 51 },
      "tick blocked this worker's thread; its activity runs in a separate thread from now on",
    ],
  ]);
});

test('logs a warning for a tick that blocks for long, and keeps its result', async () => {
  const { run, logged } = setUp();
  expect(await run('block', { ms: 25_000 })).toBe(HERE);
  expect(logged).toMatchObject([
    [
      'warn',
      { blockedMs: 25_000, timeoutMs: 2000 },
      expect.stringContaining("tick blocked this worker's thread"),
    ],
  ]);
});

test('keeps an activity in the thread when one of many quick ticks was slow', async () => {
  const { run } = setUp();
  for (let call = 0; call < 60; call += 1) await run('other');
  await run('other', { ms: 51 });
  expect(await run('other')).toBe(HERE);
  await run('other', { ms: 1000 });
  expect(await run('other')).toBe(IN_A_THREAD);
});

test('runs a suspect tick in a separate thread', async () => {
  const { run } = setUp();
  expect(await run('other', {}, { isSuspect: true })).toBe(IN_A_THREAD);
  expect(await run('other')).toBe(HERE);
});
