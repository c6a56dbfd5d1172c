import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { loadMachines } from '../../src/cli/machines.ts';
import { resolveState, type Registry } from '../../src/machine/registry.ts';
import type { Json } from '../../src/machine/definition.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { TickTask } from '../../src/worker/ports.ts';
import { CANCEL_GRACE_MS, startThreads } from '../../src/worker/thread-pool.ts';
import type { Threads } from '../../src/worker/threads.ts';
import { StillClock } from '../still-clock.ts';

const INDEX = join(import.meta.dirname, '../../src/index.ts');
const ENTRY = new URL('../../src/cli/tick-thread.ts', import.meta.url);
const MAX_WAIT_MS = 5000;
const HISTORY = [
  { name: 'i.state', state: 's', payload: 1, events: [], attempts: 0, finished: undefined },
];
const folder = mkdtempSync(join(tmpdir(), 'flockwork-threads-'));

afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const machines = [
  put(
    'm.ts',
    `import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { isMainThread } from 'node:worker_threads';
import { done, FatalError, later, machine, next, wait } from '${INDEX}';
let calls = 0;
// Not even a thread that is terminated comes back from this.
const block = (file) => spawnSync('/bin/sh', ['-c', \`: > "\${file}.waits"; while [ ! -e "\${file}" ]; do sleep 0.01; done\`]);
if (!isMainThread && existsSync('${join(folder, 'block-load')}')) block('${join(folder, 'unblock-load')}');
export default machine({ name: 'm', activities: {
  see: ({ print, log, signal, pause, history, sensor, ...rest }) => done({ ...rest, isMainThread }),
  look: async ({ sensor, history }) => {
    const [one, other] = await Promise.all([history(), history()]);
    return wait({ lamp: sensor('lamp'), steps: one.map(({ name }) => name), same: one === other }, { emit: [{ to: 'x', event: 'e' }] });
  },
  late: () => later('2s', 'see'),
  talk: ({ print, log }) => {
    for (let line = 0; line < 500; line += 1) print(line as unknown as string);
    log('note', { n: 1, when: new Date(0) });
    log('odd', { call: () => 1, n: 2 });
    return next('see', { said: 500 });
  },
  count: () => done((calls += 1)),
  spin: ({ payload, print }) => { print('in'); while (!existsSync(payload.file)); return done(); },
  touch: ({ payload }) => { writeFileSync(payload.file, ''); return done(); },
  hang: { timeout: 1000, tick: ({ payload, print }) => {
    print('in');
    for (;;) appendFileSync(payload.file, 'x');
  } },
  listen: { timeout: 1000, tick: async ({ signal, print }) => {
    print('in');
    await once(signal, 'abort');
    print(\`\${signal.reason.name}: \${signal.reason.message}\`);
    return done();
  } },
  pause: async ({ pause }) => { await pause(60_000); return done('paused'); },
  throws: () => { throw new TypeError('no'); },
  fatal: async () => { throw new FatalError('never'); },
  text: () => { throw 'text'; },
  rubbish: () => 42 as never,
  call: () => done((() => 1) as never),
  exit: ({ print }) => { print('last words'); process.exit(3); },
  blocked: { timeout: 1000, tick: ({ payload, print }) => { print('in'); block(payload.file); return done(); } },
  leave: ({ payload }) => {
    const timer = setInterval(() => {
      if (!existsSync(payload.file)) return;
      clearInterval(timer);
      throw new Error('left behind');
    }, 5);
    return done();
  },
  uncaught: () => { setImmediate(() => { throw new Error('not awaited'); }); return new Promise(() => undefined); },
} });`,
  ),
  ...[1, 2].map((version) =>
    put(
      `v${version}.ts`,
      `import { done, machine } from '${INDEX}';
export default machine({ name: 'v', version: '${version}', activities: { v: () => done(${version}) } });`,
    ),
  ),
  put(
    'h.ts',
    `import { machine, same, wait } from '${INDEX}';
import { isMainThread } from 'node:worker_threads';
export default machine({
  name: 'h', version: '1', states: ['a', 'b'], events: ['go'], initial: 'a',
  table: { a: { go: 'b' }, b: { go: same } },
  hooks: {
    after: ({ to }) => (to === 'b' ? [{ run: 'announce' }] : []),
    activities: {
      announce: ({ state, transition }) => wait({ state, transition, isMainThread }),
      quiet: () => undefined,
    },
  },
} as never);`,
  ),
  put('c.yaml', `name: c\nstarting_state: c\nactivities: { c: { run: 'echo 7' } }\n`),
];
const registry = await loadMachines(machines);

function taskOf(
  name: string,
  state: string,
  payload: Json = {},
  from: Registry = registry,
): TickTask {
  const resolved = resolveState(from, { machine: name, state, payload });
  if (!resolved.ok || resolved.kind !== 'runnable') throw new Error(`${name} does not run`);
  return {
    instance: 'i',
    name: 'i.state',
    machine: resolved.machine.name,
    state: resolved.state,
    payload,
    attempt: 2,
    outputs: { a: [1] },
    idempotencyKey: 'k',
    sensors: {},
    history: async () => HISTORY,
    activity: resolved.activity,
  };
}

/** The activity of a hook of machine h. */
function hookTask(run: string): TickTask {
  const hook = { run, from: 'a', event: 'go' };
  const resolved = resolveState(registry, { machine: 'h', state: 'b', payload: {}, hook });
  if (!resolved.ok || resolved.kind !== 'runnable') throw new Error(`${run} does not run`);
  return { ...taskOf('m', 'see'), machine: 'h', state: 'b', activity: resolved.activity, hook };
}

const started: Threads[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((threads) => threads.close()));
});

function setUp(threads = 1, paths: readonly string[] = machines) {
  const clock = new StillClock();
  const printed: string[] = [];
  const logged: [string, Record<string, unknown>][] = [];
  const line = (facts: Record<string, unknown>, message: string): void =>
    void logged.push([message, facts]);
  const log: Log = { debug: line, info: line, warn: line, error: line };
  const options = { clock, log, print: (text: string) => printed.push(text), pauseScale: 0 };
  const pool = startThreads({
    ...options,
    threads,
    minThreads: threads,
    entry: ENTRY,
    registry: () => registry,
    machines: paths,
    machinesVersion: () => 0,
    maxWaitMs: MAX_WAIT_MS,
  });
  started.push(pool);
  const run = async (state: string, payload: Json = {}, source = never) =>
    pool.execute(taskOf('m', state, payload), source);
  const until = (holds: () => boolean) => vi.waitUntil(holds, { timeout: 50_000 });
  const isIn = (): Promise<unknown> => until(() => printed.includes('in'));
  return { clock, printed, logged, pool, run, until, isIn };
}
const never = new AbortController();
test('a thread runs the activity of a hook', async () => {
  const { pool } = setUp();
  const transition = { from: 'a', event: 'go', details: null };
  expect(await pool.execute(hookTask('announce'), never)).toEqual({
    kind: 'answer',
    answer: { kind: 'wait', payload: { state: 'b', transition, isMainThread: false } },
  });
  expect(await pool.execute(hookTask('quiet'), never)).toEqual({
    kind: 'answer',
    answer: { kind: 'wait' },
  });
});

/** Now, as far as this thread alone can tell. */
async function isOver(running: Promise<unknown>): Promise<boolean> {
  let over = false;
  void running.then(() => (over = true));
  for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
  return over;
}
const ports = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'MessagePort').length;
const fresh = (name: string): string => put(name, '');
const answer = (output: Json) => ({ kind: 'answer', answer: { kind: 'done', output } });

describe('a tick in a thread', () => {
  test('has the same context as without threads', async () => {
    const { run } = setUp();
    const payload = JSON.parse('{"list": [1, {}], "__proto__": {"x": 1}}') as Json;
    const result = await run('see', payload);
    expect(result).toEqual(
      answer({
        instance: 'i',
        state: 'see',
        payload,
        outputs: { a: [1] },
        attempt: 2,
        idempotencyKey: 'k',
        isMainThread: false,
      }),
    );
    expect(JSON.stringify(result)).toContain('"__proto__":{"x":1}');
  });

  test('prints and logs in order, before its answer', async () => {
    const { run, printed, logged } = setUp();
    const result = await run('talk');
    expect(printed).toEqual(Array.from({ length: 500 }, (_, line) => `${line}`));
    const of = { state: 'i.state', machine: 'm', source: 'tick' };
    expect(logged).toEqual([
      ['note', { ...of, n: 1, when: new Date(0) }],
      ['odd', { ...of, call: '[Function: call]', n: 2 }],
    ]);
    expect(result).toEqual({
      kind: 'answer',
      answer: { kind: 'next', state: 'see', payload: { said: 500 } },
    });
  });

  test.each([
    ['throws', { message: 'no', stack: expect.stringContaining('m.ts') as unknown }],
    ['fatal', { message: 'never', fatal: true }],
    ['text', { message: 'the tick threw text' }],
    [
      'rubbish',
      { message: 'the tick must return done(), next(), later(), wait() or fork(), got 42' },
    ],
    ['call', { message: "the tick's output is a function, which JSON cannot hold" }],
  ])('%s: a failed attempt', async (state, error) => {
    expect(await setUp().run(state)).toMatchObject({ kind: 'failed', error });
  });

  test('observes other instances, and reads its history', async () => {
    const { pool } = setUp();
    const sensors = { lamp: { state: 'on', payload: 1 } };
    const result = await pool.execute({ ...taskOf('m', 'look'), sensors }, never);
    const payload = { lamp: sensors.lamp, steps: ['i.state'], same: true };
    expect(result).toEqual({
      kind: 'answer',
      answer: { kind: 'wait', payload, emit: [{ to: 'x', event: 'e' }] },
    });
  });

  test('fails when its history cannot be read', async () => {
    const { pool } = setUp();
    const history = async (): Promise<never> => Promise.reject(new Error('EIO'));
    const result = await pool.execute({ ...taskOf('m', 'look'), history }, never);
    expect(result).toMatchObject({ kind: 'failed', error: { message: 'EIO' } });
  });

  test('answers later()', async () => {
    const answered = { kind: 'next', state: 'see', delay: 2000 };
    expect(await setUp().run('late')).toEqual({ kind: 'answer', answer: answered });
  });

  test('scales its pauses', async () => {
    expect(await setUp().run('pause')).toEqual(answer('paused'));
  });

  test('is of the version that the state file means', async () => {
    const { pool } = setUp();
    expect(await pool.execute(taskOf('v:1', 'v'), never)).toEqual(answer(1));
    expect(await pool.execute(taskOf('v:2', 'v'), never)).toEqual(answer(2));
  });

  test('may be a shipped machine’s; commands are processes already', async () => {
    const { pool, printed } = setUp();
    await pool.execute(taskOf('simple', 'simple', { target: 'hello' }), never);
    expect(printed).toEqual(['hello']);
    expect(await pool.execute(taskOf('c', 'c'), never)).toEqual(answer(7));
  });

  test('does not block other threads', async () => {
    const { run, isIn } = setUp(2);
    const file = join(folder, 'go');
    const busy = run('spin', { file });
    await isIn();
    await run('touch', { file });
    expect((await busy).kind).toBe('answer');
  });
});

describe('cancelled', () => {
  test('at its timeout, a tick that listens ends, and its thread goes on', async () => {
    const { run, clock, printed, isIn } = setUp();
    expect(await run('count')).toEqual(answer(1));
    const running = run('listen');
    await isIn();
    clock.pass(1000);
    expect(await running).toEqual({ kind: 'failed', error: { message: 'timed out after 1.0 s' } });
    expect(printed).toEqual(['in', 'Error: timed out']);
    expect(await run('count')).toEqual(answer(2));
    expect(clock.timers).toBe(0);
  });

  test('at its timeout, a tick that hangs ends with its thread, and another thread is started', async () => {
    const { run, clock, isIn } = setUp();
    expect(await run('count')).toEqual(answer(1));
    const file = fresh('hung');
    const running = run('hang', { file });
    await isIn();
    clock.pass(1000);
    await Promise.resolve();
    clock.pass(CANCEL_GRACE_MS);
    expect(await running).toEqual({ kind: 'failed', error: { message: 'timed out after 1.0 s' } });
    const written = readFileSync(file, 'utf8');
    expect(await run('count')).toEqual(answer(1));
    expect(readFileSync(file, 'utf8') === written, 'it had ended').toBe(true);
  });

  test('when the worker aborts it, whether it listens or not', async () => {
    const { run, clock, printed, isIn } = setUp();
    const listening = new AbortController();
    const first = run('listen', {}, listening);
    await isIn();
    listening.abort();
    expect(await first).toEqual({ kind: 'aborted' });
    expect(printed.splice(0)).toEqual(['in', 'AbortError: This operation was aborted']);
    const hanging = new AbortController();
    const second = run('hang', { file: fresh('let-go') }, hanging);
    await isIn();
    hanging.abort();
    await Promise.resolve();
    clock.pass(CANCEL_GRACE_MS);
    expect(await second).toEqual({ kind: 'aborted' });
    const untouched = join(folder, 'untouched');
    expect(await run('touch', { file: untouched }, hanging)).toEqual({ kind: 'aborted' });
    expect(existsSync(untouched)).toBe(false);
  });

  test('after its timeout too', async () => {
    const { run, clock, isIn } = setUp();
    const worker = new AbortController();
    const running = run('listen', {}, worker);
    await isIn();
    clock.pass(1000);
    await Promise.resolve();
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
    expect(clock.timers).toBe(0);
  });

  test('ends when its thread has, not before', async () => {
    const { run, clock, isIn } = setUp();
    const file = join(folder, 'unblock');
    const running = run('blocked', { file });
    await isIn();
    clock.pass(1000);
    await Promise.resolve();
    clock.pass(CANCEL_GRACE_MS);
    expect(await isOver(running)).toBe(false);
    writeFileSync(file, '');
    expect((await running).kind).toBe('failed');
  });
});

describe('without a free thread', () => {
  test('a tick waits, and its timeout begins only with it', async () => {
    const { run, clock, printed, isIn, until } = setUp();
    const file = join(folder, 'then');
    const first = run('spin', { file });
    await isIn();
    const second = run('listen');
    clock.pass(MAX_WAIT_MS - 1);
    writeFileSync(file, '');
    await first;
    await until(() => printed.length === 2);
    clock.pass(999);
    clock.pass(1);
    expect((await second).kind).toBe('failed');
  });

  test('a tick is aborted when it has waited too long, and leaves no open port', async () => {
    const { run, clock, logged, isIn } = setUp();
    const file = join(folder, 'at-last');
    const first = run('spin', { file });
    await isIn();
    const before = ports();
    const second = run('count');
    clock.pass(MAX_WAIT_MS);
    expect(await second).toEqual({ kind: 'aborted' });
    expect(await isOver(second)).toBe(true);
    expect(ports(), 'nothing holds the process').toBe(before);
    expect(logged).toEqual([
      [
        'no free thread, state given back; raise --threads or lower --concurrency',
        { state: 'i.state', machine: 'm', waitedMs: MAX_WAIT_MS },
      ],
    ]);
    writeFileSync(file, '');
    expect((await first).kind).toBe('answer');
    expect(await run('count')).toEqual(answer(1));
  });

  test('a tick is aborted when no thread gets ready', async () => {
    const { run, clock, until } = setUp();
    fresh('block-load');
    const running = run('count');
    await until(() => existsSync(join(folder, 'unblock-load.waits')));
    clock.pass(MAX_WAIT_MS);
    expect(await isOver(running)).toBe(false);
    fresh('unblock-load');
    expect(await running).toEqual({ kind: 'aborted' });
    rmSync(join(folder, 'block-load'));
    expect(await run('count')).toEqual(answer(1));
  });

  test('a tick ends at once when the worker aborts it', async () => {
    const { run, logged, isIn } = setUp();
    const file = join(folder, 'finally');
    const first = run('spin', { file });
    await isIn();
    const worker = new AbortController();
    const second = run('count', {}, worker);
    worker.abort();
    expect(await second).toEqual({ kind: 'aborted' });
    expect(logged).toEqual([]);
    writeFileSync(file, '');
    expect((await first).kind).toBe('answer');
  });
});

describe('a thread that ends', () => {
  test('fails its attempt, and the next tick gets another thread', async () => {
    const { run, printed } = setUp();
    expect(await run('exit')).toEqual({
      kind: 'failed',
      error: { message: "the tick's thread has ended: worker exited with code: 3" },
    });
    expect(printed).toEqual(['last words']);
    expect(await run('count')).toEqual(answer(1));
  });
});

describe('an error that nothing awaits', () => {
  test('fails its tick, and the thread goes on', async () => {
    const { run } = setUp();
    expect(await run('count')).toEqual(answer(1));
    expect(await run('uncaught')).toMatchObject({
      kind: 'failed',
      error: { message: 'not awaited by the tick: not awaited' },
    });
    expect(await run('count')).toEqual(answer(2));
  });

  test('is logged with its tick when that has ended, and fails no other tick', async () => {
    const { run, logged, until } = setUp();
    const file = join(folder, 'throw');
    expect((await run('leave', { file })).kind).toBe('answer');
    fresh('throw');
    await until(() => logged.length > 0);
    expect(logged[0]).toMatchObject([
      'an error after its tick had ended, in what it did not await',
      { err: { message: 'left behind' }, state: 'i.state' },
    ]);
    expect(await run('count')).toEqual(answer(1));
  });
});

describe('a pool that is closed', () => {
  test('terminates its threads without waiting for their ticks', async () => {
    const { run, pool, isIn } = setUp();
    const file = fresh('closed');
    const running = run('hang', { file });
    await isIn();
    await pool.close();
    const written = readFileSync(file, 'utf8');
    expect((await running).kind).toBe('failed');
    expect(readFileSync(file, 'utf8') === written, 'it had ended').toBe(true);
  });
});

describe('machines whose files have changed', () => {
  test('do not affect a thread that has loaded them', async () => {
    const path = join(folder, 'copy.ts');
    copyFileSync(machines[0]!, path);
    const { run } = setUp(1, [path]);
    expect(await run('count')).toEqual(answer(1));
    rmSync(path);
    expect(await run('count')).toEqual(answer(2));
  });

  test('fail ticks until missing files are back', async () => {
    const path = join(folder, 'gone.ts');
    const { run } = setUp(1, [path]);
    const result = await run('count');
    expect(result).toMatchObject({
      kind: 'failed',
      error: { message: expect.stringContaining('ENOENT') as unknown },
    });
    copyFileSync(machines[0]!, path);
    expect(await run('count')).toEqual(answer(1));
  });

  test('fail ticks of states that they no longer have', async () => {
    const result = await setUp(1, []).run('count');
    expect(result).toMatchObject({
      error: {
        message:
          'cannot run state count: the files of machine m have changed since this worker started; restart the worker',
      },
    });
  });
});
