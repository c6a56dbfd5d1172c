/** How soon the claims of a dead worker are free while one of the recovering workers stands still. */
import { expect, test } from 'vitest';
import { cycleLength, LOCAL_PHASES } from '../../src/volume/phases/cycle.ts';
import { moments } from './moments.ts';

const CYCLE = cycleLength(LOCAL_PHASES);
const LEASE = 10 * CYCLE;
/** By then every tick has begun, and none has ended; the other workers are idle when the death is detected. */
const DEATH = 4 * CYCLE;
const COUNT = 60;

test('an idle worker recovers all claims in one cycle', async () => {
  const recovered = await moments('recovered expired sessions', {
    workers: 3,
    concurrency: COUNT,
    duration: 3 * CYCLE,
    count: COUNT,
    due: 3 * CYCLE,
    lease: LEASE,
    scheduled: [
      { id: 'death', at: DEATH, kind: 'kill', host: 0, restart: 1000 * CYCLE },
      // Shorter than its lease.
      { id: 'stop', at: DEATH + LEASE - CYCLE, kind: 'suspend', host: 1, ms: LEASE / 2 },
    ],
  });
  expect(recovered.length).toBeGreaterThan(0);
  expect(Math.max(...recovered) - Math.min(...recovered)).toBeLessThan(CYCLE);
});
