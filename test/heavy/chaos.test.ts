/** Worker processes that are killed, stopped, and run with wrong clocks. */
import { describe, expect, test } from 'vitest';
import { expectedStates, heldBy, problemsWith, skewedBy, submitChains } from '../chaos.ts';
import { Fleet } from '../fleet.ts';

const LEASE_MS = 2000;
const CYCLE_MS = 1000;
const FLAGS = ['--lease', `${LEASE_MS}ms`, '--example-delay', '0.2', '--concurrency', '2'];
const INSTANCES = 40;
const COUNT = 3;

const chains = Array.from({ length: INSTANCES }, (_, index) => ({
  instance: `c${index}`,
  count: COUNT,
}));

describe('the other workers finish everything', () => {
  test('when a worker is killed repeatedly and restarted under its name', async () => {
    await using fleet = new Fleet();
    submitChains(fleet.dir, chains);
    const steady = fleet.worker('steady', FLAGS);
    for (let round = 0; round < 4; round += 1) {
      const victim = fleet.worker('victim', FLAGS);
      await fleet.until(
        'the victim holds a state, or all are done',
        () =>
          heldBy(fleet, { worker: 'victim' }).length > 0 ||
          fleet.list('done').length === expectedStates(chains).length,
      );
      victim.kill('SIGKILL');
      const died = Date.now();
      await victim.ended;
      const held = heldBy(fleet, { worker: 'victim' });
      await fleet.until('the claims of the victim are released', () => {
        const still = heldBy(fleet, { worker: 'victim' });
        return held.every((name) => !still.includes(name));
      });
      const took = Date.now() - died;
      console.log(
        `round ${round}: ${held.length} claims of the killed worker released after ${took} ms (lease + 2 cycles: ${LEASE_MS + 2 * CYCLE_MS} ms)`,
      );
    }
    expect((await steady.ended).status).toBe(0);
    expect(problemsWith(fleet, chains)).toEqual([]);
  });

  test('when a worker is stopped for three leases; it then starts a new session', async () => {
    await using fleet = new Fleet();
    submitChains(fleet.dir, chains);
    const steady = fleet.worker('steady', FLAGS);
    const sleeper = fleet.worker('sleeper', FLAGS);
    await fleet.until(
      'the sleeper holds a state',
      () => heldBy(fleet, { worker: 'sleeper' }).length > 0,
    );
    sleeper.kill('SIGSTOP');
    const since = Date.now();
    await fleet.until('three leases have passed', () => Date.now() - since > 3 * LEASE_MS);
    expect(heldBy(fleet, { worker: 'sleeper' })).toEqual([]);
    sleeper.kill('SIGCONT');
    const [first, second] = await Promise.all([steady.ended, sleeper.ended]);
    expect([first.status, second.status]).toEqual([0, 0]);
    expect(second.stderr).toContain('starting a new session');
    expect(problemsWith(fleet, chains)).toEqual([]);
  });

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
