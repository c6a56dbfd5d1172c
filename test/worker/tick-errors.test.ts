import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { done, type Answer } from '../../src/machine/answer.ts';
import type { TickContext } from '../../src/machine/definition.ts';
import { createExecute } from '../../src/worker/executor.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { Execute } from '../../src/worker/ports.ts';
import { StrayErrors, failed } from '../../src/worker/tick-errors.ts';
import { StillClock } from '../still-clock.ts';
import { tickTask } from './task.ts';

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;
const never = new AbortController();

/** Listeners of the test runner, which would fail. */
const theirs = new Map<string, ((error: unknown) => void)[]>();
let logged: unknown[][] = [];
let crashed: unknown[] = [];
let execute: Execute;
let stop: () => void;

beforeEach(() => {
  for (const event of EVENTS) {
    theirs.set(event, process.listeners(event as 'exit') as never);
    process.removeAllListeners(event);
  }
  logged = [];
  crashed = [];
  const line = (fields: object, message: string): void => void logged.push([message, fields]);
  const log: Log = { debug: line, info: line, warn: line, error: line };
  const strays = new StrayErrors();
  stop = strays.catch({ log, crash: (error) => crashed.push(error) });
  const clock = new StillClock();
  execute = createExecute({ clock, log, print: () => undefined, pauseScale: 1, strays });
});
afterEach(() => {
  stop();
  for (const event of EVENTS)
    for (const listener of theirs.get(event)!) process.on(event as 'exit', listener);
});

function run(name: string, tick: (context: TickContext) => unknown): ReturnType<Execute> {
  return execute(tickTask(tick, { instance: name, name: `${name}.state` }), never);
}
const soon = (ms: number): Promise<Answer> =>
  new Promise((resolve) => setTimeout(() => resolve(done('late')), ms));
const untilLogged = (): Promise<unknown> => vi.waitUntil(() => logged.length > 0);

describe('an error that nothing awaits', () => {
  test.each([
    ['a promise that rejects', () => void Promise.reject(new Error('stray'))],
    [
      'a timer that throws',
      () =>
        void setTimeout(() => {
          throw new Error('stray');
        }, 1),
    ],
    [
      'a microtask that throws',
      () =>
        queueMicrotask(() => {
          throw new Error('stray');
        }),
    ],
    [
      'an async function that is not awaited',
      () =>
        void (async () => {
          await soon(1);
          throw new Error('stray');
        })(),
    ],
  ])('%s fails the tick that caused it, and no other', async (_what, cause) => {
    const release = Promise.withResolvers<Answer>();
    const other = run('other', () => release.promise);
    const result = await run('x', () => {
      cause();
      return new Promise(() => undefined);
    });
    expect(result).toMatchObject({
      kind: 'failed',
      error: { message: 'not awaited by the tick: stray' },
    });
    release.resolve(done());
    expect(await other).toEqual({ kind: 'answer', answer: { kind: 'done' } });
    expect([logged, crashed]).toEqual([[], []]);
  });

  test('fails the tick also when it answers in the same turn', async () => {
    const result = await run('x', async () => {
      void Promise.reject(new Error('stray'));
      return done();
    });
    expect(result).toMatchObject({ kind: 'failed' });
  });

  test('is logged with its tick when it comes after the tick has ended', async () => {
    const result = await run('x', () => {
      setTimeout(() => {
        throw new Error('stray');
      }, 1);
      return done();
    });
    expect(result).toMatchObject({ kind: 'answer' });
    await untilLogged();
    expect(logged).toMatchObject([
      [
        'an error after its tick had ended, in what it did not await',
        { err: { message: 'stray' }, state: 'x.state', machine: 'm' },
      ],
    ]);
  });

  test('is logged with the running ticks when it is of a module, and no tick is known', async () => {
    const running = run('x', () => soon(20));
    process.emit('uncaughtException', new Error('stray'));
    expect(logged).toMatchObject([
      [
        'an error in a module, of an unknown tick',
        { err: { message: 'stray' }, states: ['x.state'] },
      ],
    ]);
    expect(await running).toMatchObject({ kind: 'answer' });
  });

  test('ends the process when it is not of a user’s code', () => {
    const error = Object.assign(new Error('ours'), {
      stack: `Error: ours\n    at a (${new URL('../../src/volume/local-queue.ts', import.meta.url).href}:1:2)\n    at b (node:internal/timers:1:2)`,
    });
    process.emit('uncaughtException', error);
    expect([crashed, logged]).toEqual([[error], []]);
    expect(EVENTS.flatMap((event) => process.listeners(event as 'exit'))).toEqual([]);
  });
});

const home = new URL('../../src/', import.meta.url).href;

function stackOf(stack: string): string | undefined {
  const result = failed(Object.assign(new Error('no'), { stack }));
  return result.kind === 'failed' ? result.error.stack : undefined;
}

describe('failed', () => {
  test('keeps the stack lines of the user’s own files', () => {
    const own = [
      'Error: no',
      'and so on',
      '    at count (file:///home/ant/word count.ts:12:20)',
      '    at async file:///home/ant/main.js:3:1',
      '    at C:\\ant\\main.js:3:1',
    ];
    const others = [
      `    at startAttempt (${home}worker/executor.ts:1:2)`,
      '    at parse (/home/ant/node_modules/csv/index.js:4:5)',
      '    at process.processTimers (node:internal/timers:618:7)',
      '    at JSON.parse (<anonymous>)',
    ];
    expect(stackOf([...own, ...others].join('\n'))).toBe(own.join('\n'));
  });

  test('keeps a stack without such lines as it is', () => {
    const stack = `Error: no\n    at a (${home}worker/worker.ts:1:2)\n    at b (node:fs:1:2)`;
    expect(stackOf(stack)).toBe(stack);
  });
});
