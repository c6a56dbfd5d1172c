/** Worker processes that are killed, stopped, and run with wrong clocks. `FLOCKWORK_CHAOS_RUNS` sets how often (1). */
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { chaos, recoveryBound } from '../chaos-run.ts';
import { expectedStates, problemsWith, skewedBy, submitChains } from '../chaos.ts';
import { Fleet } from '../fleet.ts';
import { localStand } from '../fs/stand.ts';

const RUNS = Number(process.env['FLOCKWORK_CHAOS_RUNS'] ?? 1);
const FLAGS = ['--example-delay', '0.2', '--concurrency', '2'];

const chains = Array.from({ length: 40 }, (_, index) => ({ instance: `c${index}`, count: 3 }));

describe('the other workers finish everything', () => {
  test.each(Array.from({ length: RUNS }, (_, index) => index + 1))(
    'when workers are killed, stopped and given wrong clocks, run %d',
    async () => {
      const stand = localStand(tmpdir());
      const { kills, stops, recoveries } = await chaos(stand, console.log);
      console.log(
        `claims of killed workers released after ${recoveries.join(', ')} ms (lease + 2 cycles: ${recoveryBound(stand.pace)} ms)`,
      );
      expect(stops).toBe(stand.chaos.rounds);
      expect(kills).toBeGreaterThan(0);
    },
  );

  test('when a clock is five seconds off: that worker acts in the same phases', async () => {
    await using fleet = new Fleet();
    submitChains(fleet.dir, chains);
    const steady = fleet.worker('steady', FLAGS);
    const fast = fleet.worker('fast', FLAGS, skewedBy('+5s'));
    const [first, second] = await Promise.all([steady.ended, fast.ended]);
    expect([first.status, second.status]).toEqual([0, 0]);
    expect(problemsWith(fleet, chains)).toEqual([]);
    const journal = fleet.journal();
    expect(new Set(journal.map((entry) => entry.worker))).toEqual(new Set(['steady', 'fast']));
    // I6: no worker crashed, so every step was ticked once.
    expect(journal.length).toBe(expectedStates(chains).length);
  });
});
