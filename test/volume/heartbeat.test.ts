/** One beat of a lease: what it measures of the volume's clock. */
import { describe, expect, test } from 'vitest';
import { Pulse } from '../../src/volume/heartbeat.ts';

const START = 1_700_000_000_000;

describe('Pulse', () => {
  test('measures at one moment when its thread is preempted after the write', () => {
    let now = 1000;
    const pauses: number[] = [];
    const pulse = new Pulse(
      {
        now: () => START + now,
        monotonic: () => {
          const read = now;
          now += pauses.shift() ?? 0;
          return read;
        },
        rewrite: () => {
          pauses.push(200);
          return START + now;
        },
      },
      0,
    );
    expect(pulse.beat(Number.POSITIVE_INFINITY)).toMatchObject({
      kind: 'beat',
      sample: { before: START + 1000, after: START + 1201, mtime: START + 1000, monotonic: 1200 },
    });
  });
});
