import { describe, expect, test } from 'vitest';
import { done, type Answer } from '../../src/machine/answer.ts';
import type { RunnableActivity, TickContext } from '../../src/machine/definition.ts';
import { FatalError } from '../../src/machine/errors.ts';
import { createExecute } from '../../src/worker/executor.ts';
import type { Log, TickTask } from '../../src/worker/ports.ts';

/** Time stands still until a test lets it pass. */
class StillClock {
  #now = 0;
  #sleepers: { until: number; wake: () => void }[] = [];
  now = (): number => this.#now;
  monotonic = (): number => this.#now;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((wake) => {
      if (signal?.aborted === true) return wake();
      signal?.addEventListener('abort', () => wake(), { once: true });
      this.#sleepers.push({ until: this.#now + ms, wake });
    });
  pass(ms: number): void {
    this.#now += ms;
    for (const { until, wake } of this.#sleepers) if (until <= this.#now) wake();
  }
}

const retry = { maximumAttempts: 1, initialInterval: 0, backoffCoefficient: 1, maximumInterval: 0 };
const task = (activity: RunnableActivity): TickTask => ({
  instance: 'x',
  name: 'x.state',
  machine: 'm',
  state: 's',
  payload: { list: [1] },
  attempt: 1,
  idempotencyKey: 'k',
  activity,
});
const tick = (run: (context: TickContext) => unknown): TickTask =>
  task({ kind: 'tick', tick: run as () => Answer, timeout: 1000, retry });

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
      'answers rubbish',
      () => 42,
      { message: 'the tick answered 42; return done(output?) or next(state, payload?)' },
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
});
