/** The volume's time of one session: when it is too uncertain to act on, and the figures that say why. */
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/engine/ports.ts';
import { LOCAL_PHASES } from '../../src/volume/phases/cycle.ts';
import { VolumeTime } from '../../src/volume/volume-time.ts';

const START = 1_700_000_000_000;
const { buffer } = LOCAL_PHASES;

/** `pauses`: milliseconds for which the thread is preempted right after each reading of the monotonic clock. */
function given(): {
  time: VolumeTime;
  pauses: number[];
  pass: (ms: number, stepMs?: number) => void;
} {
  const pauses: number[] = [];
  let [now, set] = [1000, 0];
  const clock: Clock = {
    now: () => START + now + set,
    monotonic: () => {
      const read = now;
      now += pauses.shift() ?? 0;
      return read;
    },
    sleep: async () => undefined,
  };
  const pass = (ms: number, stepMs = 0): void => void ((now += ms), (set += stepMs));
  return { time: new VolumeTime(clock, LOCAL_PHASES, false), pauses, pass };
}

/** A write of the lease that took `ms`. */
const write = (ms: number): Parameters<VolumeTime['add']>[0] => ({
  before: START + 1000 - ms,
  after: START + 1001,
  mtime: START + 999.5,
  monotonic: 1000,
});

describe('VolumeTime', () => {
  test('compares nothing before the first sample', () => {
    const { time } = given();
    expect(time.interval()).toBeUndefined();
    expect(time.doubt).toEqual({});
  });

  test('knows the time when the thread is preempted between its readings of the clocks', () => {
    const { time, pauses } = given();
    time.add(write(2));
    pauses.push(200);
    expect(time.interval()).toBeDefined();
  });

  test('tells the uncertainty and the buffer when writes are slow', () => {
    const { time } = given();
    time.add(write(30));
    expect(time.interval()).toBeUndefined();
    expect(time.doubt).toEqual({ uncertainty: 41, buffer });
  });

  test('tells the step and its limit when the wall clock was set', () => {
    const { time, pass } = given();
    time.add(write(2));
    pass(100, 70);
    expect(time.interval()).toBeUndefined();
    expect(time.doubt).toEqual({ clockStep: 69, maxClockStep: 50 });
  });
});
