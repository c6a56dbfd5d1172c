/** How soon what a dead worker held is free, when one of those who share that work stands still. */
import { expect, test } from 'vitest';
import { cycleLength, LOCAL_PHASES } from '../../src/volume/phases/cycle.ts';
import { moments } from './moments.ts';

const CYCLE = cycleLength(LOCAL_PHASES);
const LEASE = 10 * CYCLE;
/** Every tick has begun by then, and none has ended; the others are through with theirs when it shows. */
const DEATH = 4 * CYCLE;
const COUNT = 60;

test('whoever has nothing to do recovers all of it in one cycle', async () => {
  const recovered = await moments('recovered expired sessions', {
    workers: 3,
    concurrency: COUNT,
    duration: 3 * CYCLE,
    count: COUNT,
    due: 3 * CYCLE,
    lease: LEASE,
    scheduled: [
      { id: 'death', at: DEATH, kind: 'kill', host: 0, restart: 1000 * CYCLE },
      // Not for long enough to be taken for dead.
      { id: 'stop', at: DEATH + LEASE - CYCLE, kind: 'suspend', host: 1, ms: LEASE / 2 },
    ],
  });
  expect(recovered.length).toBeGreaterThan(0);
  expect(Math.max(...recovered) - Math.min(...recovered)).toBeLessThan(CYCLE);
});
