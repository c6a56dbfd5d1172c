import { describe, expect, test, vi } from 'vitest';
import { done } from '../../src/machine/answer.ts';
import type { RunnableActivity, TickContext } from '../../src/machine/definition.ts';
import { FatalError } from '../../src/machine/errors.ts';
import { createExecute } from '../../src/worker/executor.ts';
import type { Log } from '../../src/engine/ports.ts';
import type { TickTask } from '../../src/worker/ports.ts';
import { StillClock } from '../still-clock.ts';
import { commandTask, tickTask } from './task.ts';

const tick = (run: (context: TickContext) => unknown): TickTask =>
  tickTask(run, {
    payload: { list: [1] },
    sensors: { lamp: { state: 'on', payload: [1] }, ghost: null },
  });

function setUp(pauseScale = 1) {
  const clock = new StillClock();
  const printed: string[] = [];
  const logged: string[] = [];
  const line = (_facts: object, message: string): void => void logged.push(message);
  const log: Log = { debug: line, info: line, warn: line, error: line };
  const execute = createExecute({ clock, log, print: (text) => printed.push(text), pauseScale });
  return { clock, printed, logged, execute };
}
const never = new AbortController().signal;

describe('what a tick sees of others', () => {
  test('is told as it was when it began, and is its own to change', async () => {
    const { execute } = setUp();
    const one = tick(({ sensor }) => {
      Object.assign(sensor('lamp')!, { payload: 'mine' });
      return done([sensor('lamp')!, sensor('ghost') === undefined] as never);
    });
    const result = await execute(one, never);
    const output = [{ state: 'on', payload: [1] }, true];
    expect(result).toEqual({ kind: 'answer', answer: { kind: 'done', output } });
  });

  test.each(['bell', 'toString', '__proto__'])(
    'nothing of %s, which its machine does not name',
    async (name) => {
      const { execute } = setUp();
      const result = await execute(
        tick(({ sensor }) => done(sensor(name)!.state)),
        never,
      );
      const message = `machine m does not look at ${name}: name it in its sensors`;
      expect(result).toMatchObject({ kind: 'failed', error: { message } });
    },
  );
});

describe('one attempt always comes back', () => {
  test('with the answer', async () => {
    const { execute, printed, logged } = setUp();
    const result = await execute(
      tick(({ print, log }) => (print('data'), log('note'), done(1))),
      never,
    );
    expect(result).toEqual({ kind: 'answer', answer: { kind: 'done', output: 1 } });
    expect([printed, logged]).toEqual([['data'], ['note']]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
      { message: 'no' },
    ],
    [
      'throws what cannot even be shown',
      () => {
        throw Object.create(null);
      },
      { message: 'the tick threw what cannot be shown' },
    ],
    ['rejects', async () => Promise.reject(new Error('later')), { message: 'later' }],
    [
      'throws what is no error',
      () => {
        throw 'text';
      },
      { message: 'the tick threw text' },
    ],
    [
      'gives up',
      () => {
        throw new FatalError('never');
      },
      { message: 'never', fatal: true },
    ],
    [
      'rejects later, for good',
      async () => {
        await Promise.resolve();
        throw new FatalError('never');
      },
      { message: 'never', fatal: true },
    ],
    [
      'answers rubbish',
      () => 42,
      { message: 'the tick must return done(), next(), later(), wait() or fork(), got 42' },
    ],
  ])('as failed, when it %s', async (_what, run, error) => {
    const { execute } = setUp();
    expect(await execute(tick(run), never)).toMatchObject({ kind: 'failed', error });
  });

  test('at its timeout, whether it listens or not, and its signal says so', async () => {
    const { execute, clock } = setUp();
    let signal: AbortSignal | undefined;
    const running = execute(
      tick((context) => ((signal = context.signal), new Promise(() => undefined))),
      never,
    );
    clock.pass(999);
    expect(signal?.aborted).toBe(false);
    clock.pass(1);
    expect(await running).toEqual({ kind: 'failed', error: { message: 'timed out after 1.0 s' } });
    expect(signal?.aborted).toBe(true);
  });

  test('at its timeout, and what it says later counts for nothing', async () => {
    const { execute, clock } = setUp();
    let answer!: (value: unknown) => void;
    const running = execute(
      tick(() => new Promise((resolve) => (answer = resolve))),
      never,
    );
    clock.pass(1000);
    expect((await running).kind).toBe('failed');
    answer(done());
    expect(await running).toMatchObject({ error: { message: 'timed out after 1.0 s' } });
  });

  test('its signal, read when all is over, says so too', async () => {
    const { execute, clock } = setUp();
    let context!: TickContext;
    const running = execute(
      tick((given) => ((context = given), new Promise(() => undefined))),
      never,
    );
    clock.pass(1000);
    await running;
    expect(context.signal.aborted).toBe(true);
    expect(context.signal.reason).toEqual(new Error('timed out'));
    expect(context.signal).toBe(context.signal);
    await expect(context.pause(0)).rejects.toThrow('timed out');
  });

  test('as aborted, when the worker has to let go', async () => {
    const { execute } = setUp();
    const worker = new AbortController();
    const running = execute(
      tick(({ pause }) => pause(500).then(() => done())),
      worker.signal,
    );
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
  });

  test('as aborted too, when it does not listen', async () => {
    const { execute } = setUp();
    const worker = new AbortController();
    const running = execute(
      tick(() => new Promise(() => undefined)),
      worker.signal,
    );
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
  });

  test('as aborted, without beginning, when the worker has let go already', async () => {
    const { execute, printed } = setUp();
    const result = await execute(
      tick(({ print }) => (print('begun'), done())),
      AbortSignal.abort(),
    );
    expect([result, printed]).toEqual([{ kind: 'aborted' }, []]);
  });

  test('its signal aborts with the worker’s', async () => {
    const { execute } = setUp();
    const worker = new AbortController();
    let signal!: AbortSignal;
    const running = execute(
      tick((context) => (({ signal } = { ...context }), new Promise(() => undefined))),
      worker.signal,
    );
    expect(signal.aborted).toBe(false);
    worker.abort();
    await running;
    expect((signal.reason as Error).name).toBe('AbortError');
  });
});

describe('what a quick tick costs', () => {
  test('one that answers at once: no timer', async () => {
    const { execute, clock } = setUp();
    for (let count = 0; count < 100; count += 1)
      await execute(
        tick(() => done()),
        never,
      );
    expect(clock.sleeps).toBe(0);
  });

  test('those that overlap: one timer, and none is left', async () => {
    const { execute, clock } = setUp();
    const lane = async (): Promise<void> => {
      for (let count = 0; count < 100; count += 1)
        await execute(
          tick(async () => done()),
          never,
        );
    };
    await Promise.all([lane(), lane()]);
    expect([clock.sleeps, clock.timers]).toEqual([1, 0]);
  });
});

describe('a command is over when its processes are gone', () => {
  // The shell's child would hold on to standard output if only the shell were killed.
  const hanging = (): TickTask =>
    commandTask('echo $$ >&2; sleep 600 & sleep 600', { timeout: 1000 });

  test('its answer', async () => {
    const { execute } = setUp();
    const activity = { ...hanging().activity, run: `echo '{"done": 7}'` } as RunnableActivity;
    expect(await execute({ ...hanging(), activity }, never)).toEqual({
      kind: 'answer',
      answer: { kind: 'done', output: 7 },
    });
  });

  test('at its timeout', async () => {
    const { execute, clock, logged } = setUp();
    const running = execute(hanging(), never);
    await vi.waitUntil(() => logged.length === 1, { timeout: 30_000 });
    clock.pass(1000);
    expect(await running).toEqual({ kind: 'failed', error: { message: 'timed out after 1.0 s' } });
    expect(() => process.kill(Number(logged[0]), 0)).toThrow('ESRCH');
  });

  test('when the worker has to let go, be it after the timeout', async () => {
    const { execute, clock, logged } = setUp();
    const worker = new AbortController();
    const running = execute(hanging(), worker.signal);
    await vi.waitUntil(() => logged.length === 1, { timeout: 30_000 });
    clock.pass(1000);
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
  });
});

test('a pause is scaled', async () => {
  const { execute, clock } = setUp(0.1);
  const running = execute(
    tick(({ pause }) => pause(5000).then(() => done())),
    never,
  );
  await Promise.resolve();
  clock.pass(500);
  expect((await running).kind).toBe('answer');
});

test('a tick that changes its payload changes a copy', async () => {
  const { execute } = setUp();
  const one = tick(({ payload }) => ((payload as { list: number[] }).list.push(2), done()));
  await execute(one, never);
  expect(one.payload).toEqual({ list: [1] });
  for (const payload of [{}, []]) {
    await execute({ ...one, ...tick((given) => ((given.payload.x = 1), done())), payload }, never);
    expect(Object.keys(payload)).toEqual([]);
  }
});
