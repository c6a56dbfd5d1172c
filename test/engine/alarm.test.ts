import { describe, expect, test } from 'vitest';
import { Alarm } from '../../src/engine/alarm.ts';
import { VirtualTime } from '../volume/operations/virtual-time.ts';

describe('Alarm', () => {
  const start = (): { time: VirtualTime; alarm: Alarm; rung: number[]; from: number } => {
    const time = new VirtualTime();
    const from = time.clock.monotonic();
    const rung: number[] = [];
    const alarm = new Alarm(time.clock, () => rung.push(time.clock.monotonic() - from));
    return { time, alarm, rung, from };
  };

  test('rings once, at the earliest of its times', async () => {
    const { time, alarm, rung, from } = start();
    alarm.set(from + 300);
    alarm.set(from + 100);
    alarm.set(from + 200);
    await time.pass(1000);
    expect(rung).toEqual([100]);
    alarm.set(from + 1100);
    await time.pass(1000);
    expect(rung).toEqual([100, 1100]);
  });

  test('does not ring when it was cleared, and never for an infinite time', async () => {
    const { time, alarm, rung, from } = start();
    alarm.set(from + 100);
    alarm.clear();
    alarm.set(Number.POSITIVE_INFINITY);
    await time.pass(1000);
    expect(rung).toEqual([]);
  });

  test('rings for a time that is past, but not at once', async () => {
    const { time, alarm, rung } = start();
    alarm.set(Number.NEGATIVE_INFINITY);
    expect(rung).toEqual([]);
    await time.pass(10);
    expect(rung).toHaveLength(1);
  });
});
