/** The clocks of a simulated host. */
import { expect, test } from 'vitest';
import { HostClock, type ClockTraits } from '../../src/sim/host-clock.ts';

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
