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
const never = new AbortController();

describe('what a tick observes of other instances', () => {
  test('is as of its start, and a copy', async () => {
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
    'fails when it reads %s, which its machine does not observe',
    async (name) => {
      const { execute } = setUp();
      const result = await execute(
        tick(({ sensor }) => done(sensor(name)!.state)),
        never,
      );
      const message = `cannot observe ${name}: name it in the sensors of machine m`;
      expect(result).toMatchObject({ kind: 'failed', error: { message } });
    },
  );
});

describe('execute always resolves', () => {
  test('with the answer', async () => {
    const { execute, printed, logged } = setUp();
    const result = await execute(
      tick(({ print, log }) => (print('data'), log('note'), done(1))),
      never,
    );
    expect(result).toEqual({ kind: 'answer', answer: { kind: 'done', output: 1 } });
    expect([printed, logged]).toEqual([['data'], ['note']]);
  });

  test('with a wait, when the activity of a hook returns nothing', async () => {
    const { execute } = setUp();
    const seen: unknown[] = [];
    const hook = { run: 'announce', from: 'shut', event: 'open', details: { by: ['me'] } };
    for (const run of [
      ({ transition }: TickContext) => void seen.push(transition),
      async ({ transition }: TickContext) => void seen.push(transition),
    ]) {
      const result = await execute(tickTask(run, { hook }), never);
      expect(result).toEqual({ kind: 'answer', answer: { kind: 'wait' } });
    }
    const transition = { from: 'shut', event: 'open', details: { by: ['me'] } };
    expect(seen).toEqual([transition, transition]);
    expect(seen[0]).not.toBe(seen[1]);
    const { details: _none, ...bare } = hook;
    const look = tickTask((context) => void seen.push(context.transition), { hook: bare });
    await execute(look, never);
    expect(seen[2]).toEqual({ ...transition, details: null });
    const state = tickTask(({ transition: none }) => done(none === undefined));
    expect(await execute(state, never)).toMatchObject({ answer: { output: true } });
    expect(
      await execute(
        tickTask(() => undefined),
        never,
      ),
    ).toMatchObject({ kind: 'failed' });
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
      'throws a value that cannot be shown',
      () => {
        throw Object.create(null);
      },
      { message: 'the tick threw a value that cannot be shown' },
    ],
    ['rejects', async () => Promise.reject(new Error('later')), { message: 'later' }],
    [
      'throws a value that is not an error',
      () => {
        throw 'text';
      },
      { message: 'the tick threw text' },
    ],
    [
      'throws a FatalError',
      () => {
        throw new FatalError('never');
      },
      { message: 'never', fatal: true },
    ],
    [
      'rejects with a FatalError',
      async () => {
        await Promise.resolve();
        throw new FatalError('never');
      },
      { message: 'never', fatal: true },
    ],
    [
      'answers an invalid value',
      () => 42,
      { message: 'the tick must return done(), next(), later(), wait() or fork(), got 42' },
    ],
  ])('as failed, when it %s', async (_what, run, error) => {
    const { execute } = setUp();
    expect(await execute(tick(run), never)).toMatchObject({ kind: 'failed', error });
  });

  test('at its timeout, and aborts the tick’s signal', async () => {
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

  test('at its timeout, and ignores a later answer', async () => {
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

  test('at its timeout, and a signal that is read afterwards is aborted too', async () => {
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

  test('as aborted, when the worker aborts it', async () => {
    const { execute } = setUp();
    const worker = new AbortController();
    const running = execute(
      tick(({ pause }) => pause(500).then(() => done())),
      worker,
    );
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
  });

  test('as aborted, when the tick ignores its signal', async () => {
    const { execute } = setUp();
    const worker = new AbortController();
    const running = execute(
      tick(() => new Promise(() => undefined)),
      worker,
    );
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
  });

  test('as aborted at once when the worker has aborted it already, unless it ends at once', async () => {
    const { execute } = setUp();
    const source = { signal: AbortSignal.abort() };
    const hangs = tick(() => new Promise(() => undefined));
    expect(await execute(hangs, source)).toEqual({ kind: 'aborted' });
    expect(
      execute(
        tick(() => done()),
        source,
      ),
    ).toMatchObject({ kind: 'answer' });
  });

  test('without a promise, and without a signal, when it ends at once', () => {
    const { execute } = setUp();
    const source = {
      get signal(): AbortSignal {
        throw new Error('expected the signal not to be read');
      },
    };
    expect(
      execute(
        tick(() => done(1)),
        source,
      ),
    ).toMatchObject({ answer: { output: 1 } });
    const fails = tick(() => {
      throw new Error('no');
    });
    expect(execute(fails, source)).toMatchObject({ kind: 'failed', error: { message: 'no' } });
  });

  test('as aborted, and aborts the tick’s signal with the worker’s', async () => {
    const { execute } = setUp();
    const worker = new AbortController();
    let signal!: AbortSignal;
    const running = execute(
      tick((context) => (({ signal } = { ...context }), new Promise(() => undefined))),
      worker,
    );
    expect(signal.aborted).toBe(false);
    worker.abort();
    await running;
    expect((signal.reason as Error).name).toBe('AbortError');
  });
});

describe('timers of quick ticks', () => {
  test('there is none for a tick that answers at once', async () => {
    const { execute, clock } = setUp();
    for (let count = 0; count < 100; count += 1)
      await execute(
        tick(() => done()),
        never,
      );
    expect(clock.sleeps).toBe(0);
  });

  test('there is one for ticks that overlap, and none is left', async () => {
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

describe('a command has ended when its processes have', () => {
  // The shell's child would hold on to standard output if only the shell were killed.
  const hanging = (): TickTask =>
    commandTask('echo $$ >&2; sleep 600 & sleep 600', { timeout: 1000 });

  test('with its answer', async () => {
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

  test('when the worker aborts it, even after its timeout', async () => {
    const { execute, clock, logged } = setUp();
    const worker = new AbortController();
    const running = execute(hanging(), worker);
    await vi.waitUntil(() => logged.length === 1, { timeout: 30_000 });
    clock.pass(1000);
    worker.abort();
    expect(await running).toEqual({ kind: 'aborted' });
  });
});

test('scales pauses', async () => {
  const { execute, clock } = setUp(0.1);
  const running = execute(
    tick(({ pause }) => pause(5000).then(() => done())),
    never,
  );
  await Promise.resolve();
  clock.pass(500);
  expect((await running).kind).toBe('answer');
});

test('gives a tick a copy of its payload', async () => {
  const { execute } = setUp();
  const one = tick(({ payload }) => ((payload as { list: number[] }).list.push(2), done()));
  await execute(one, never);
  expect(one.payload).toEqual({ list: [1] });
  for (const payload of [{}, []]) {
    await execute({ ...one, ...tick((given) => ((given.payload.x = 1), done())), payload }, never);
    expect(Object.keys(payload)).toEqual([]);
  }
});
