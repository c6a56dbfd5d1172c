/** The queue of actions, and the clocks of a simulated host. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventQueue, HostClock, type ClockTraits } from '../../src/sim/virtual-time.ts';

describe('EventQueue', () => {
  const never = (): boolean => false;

  test('runs actions by time, then by order of creation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 20 })), async (delays) => {
        const queue = new EventQueue(100);
        const happened: [time: number, made: number][] = [];
        delays.forEach((delay, made) => {
          queue.at(100 + delay, () => happened.push([queue.now - 100, made]));
        });
        await queue.run(never);
        const expected = delays
          .map((delay, made): [number, number] => [delay, made])
          .toSorted(([a, first], [b, second]) => a - b || first - second);
        expect(happened).toEqual(expected);
        expect(queue.events).toBe(delays.length);
      }),
    );
  });

  test('does not run a cancelled action', async () => {
    const queue = new EventQueue(0);
    const happened: string[] = [];
    queue.at(1, () => {
      happened.push('first');
      cancel();
    });
    const cancel = queue.at(2, () => happened.push('second'));
    queue.at(3, () => happened.push('third'))();
    await queue.run(never);
    expect(happened).toEqual(['first']);
    expect(queue.events).toBe(1);
  });

  test('runs all promise jobs of an action before the next action', async () => {
    const queue = new EventQueue(0);
    const happened: string[] = [];
    queue.at(1, () => {
      void (async () => {
        for (let step = 1; step <= 5; step += 1) {
          await Promise.resolve();
          happened.push(`${queue.now}: step ${step}`);
        }
        queueMicrotask(() => happened.push(`${queue.now}: last step`));
      })();
    });
    queue.at(2, () => happened.push(`${queue.now}: next event`));
    await queue.run(never);
    expect(happened).toEqual([
      ...[1, 2, 3, 4, 5].map((step) => `1: step ${step}`),
      '1: last step',
      '2: next event',
    ]);
  });

  test('runs an action for a past time at once', async () => {
    const queue = new EventQueue(10);
    const happened: number[] = [];
    queue.at(20, () => {
      queue.at(5, () => happened.push(queue.now));
      queue.at(25, () => happened.push(queue.now));
    });
    queue.at(22, () => happened.push(queue.now));
    await queue.run(never);
    expect(happened).toEqual([20, 22, 25]);
  });

  test('stops when it is over or at the limit, and continues from there', async () => {
    const queue = new EventQueue(0);
    const happened: number[] = [];
    for (const time of [1, 2, 3, 10]) queue.at(time, () => happened.push(time));
    await queue.run(() => happened.length === 2);
    expect([queue.now, happened]).toEqual([2, [1, 2]]);
    await queue.run(never, 7);
    expect([queue.now, happened]).toEqual([7, [1, 2, 3]]);
    await queue.run(never);
    expect([queue.now, happened]).toEqual([10, [1, 2, 3, 10]]);
  });
});

describe('HostClock', () => {
  const EXACT: ClockTraits = { offset: 0, drift: 0, jitter: 0 };
  const START = 1_000_000;

  function host(traits: Partial<ClockTraits>): { clock: HostClock; wait: (ms: number) => void } {
    let now = START;
    const clock = new HostClock(
      () => now,
      () => 0.25,
      { ...EXACT, ...traits },
    );
    return { clock, wait: (ms) => void (now += ms) };
  }

  test('shows the true time without faults', () => {
    const { clock, wait } = host({});
    wait(500);
    expect(clock.wall()).toBe(START + 500);
    expect(clock.isJittery).toBe(false);
  });

  test('keeps its offset', () => {
    const { clock, wait } = host({ offset: -300 });
    expect(clock.wall()).toBe(START - 300);
    wait(1000);
    expect(clock.wall()).toBe(START + 700);
  });

  test('drift applies to both clocks and shortens sleeps', () => {
    const { clock, wait } = host({ drift: 0.25 });
    const began = clock.monotonic();
    wait(clock.real(1000));
    expect(clock.monotonic() - began).toBeCloseTo(1000);
    expect(clock.real(1000)).toBe(800);
    expect(clock.wall()).toBeCloseTo(START + 1000);
  });

  test('step changes the wall clock alone', () => {
    const { clock, wait } = host({});
    const began = clock.monotonic();
    clock.step(-5000);
    clock.step(2000);
    wait(10);
    expect(clock.wall()).toBe(START - 3000 + 10);
    expect(clock.monotonic() - began).toBe(10);
  });

  test('returns NaN while it is broken', () => {
    const { clock, wait } = host({});
    clock.broken = true;
    expect(clock.wall()).toBeNaN();
    expect(clock.monotonic()).not.toBeNaN();
    wait(10);
    clock.broken = false;
    expect(clock.wall()).toBe(START + 10);
  });

  test('jitter affects the wall clock alone', () => {
    const { clock } = host({ jitter: 40 });
    const began = clock.monotonic();
    expect(clock.wall()).toBe(START - 10);
    expect(clock.monotonic()).toBe(began);
    expect(clock.isJittery).toBe(true);
  });

  test('the monotonic clock stands still while the host sleeps', () => {
    const { clock, wait } = host({});
    const began = clock.monotonic();
    clock.sleep(100);
    wait(50);
    expect(clock.asleep).toBe(50);
    clock.sleep(70);
    wait(60);
    expect(clock.asleep).toBe(10);
    wait(40);
    expect([clock.asleep, clock.monotonic() - began]).toEqual([0, 30]);
    expect(clock.wall()).toBe(START + 150);
  });
});
