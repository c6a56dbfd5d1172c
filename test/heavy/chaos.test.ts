/** Worker processes that are killed, stopped and lied to about the time. */
import { describe, expect, test } from 'vitest';
import { expectedStates, heldBy, problemsWith, skewedBy, submitChains } from '../chaos.ts';
import { Fleet } from '../fleet.ts';

const LEASE = 2000;
const CYCLE = 1000;
const FLAGS = ['--lease', `${LEASE}ms`, '--example-delay', '0.2', '--concurrency', '2'];
const INSTANCES = 40;
const COUNT = 3;

const chains = Array.from({ length: INSTANCES }, (_, index) => ({
  instance: `c${index}`,
  count: COUNT,
}));

describe('whatever happens to a worker, the others finish everything', () => {
  test('kill -9, again and again, the dead coming back under their names', async () => {
    await using fleet = new Fleet();
    submitChains(fleet.dir, chains);
    const steady = fleet.worker('steady', FLAGS);
    for (let round = 0; round < 4; round += 1) {
      const victim = fleet.worker('victim', FLAGS);
      await fleet.until(
        'the victim holds something, or all is done',
        () =>
          heldBy(fleet, { worker: 'victim' }).length > 0 ||
          fleet.list('done').length === expectedStates(chains).length,
      );
      victim.kill('SIGKILL');
      const died = Date.now();
      await victim.ended;
      const held = heldBy(fleet, { worker: 'victim' });
      await fleet.until('its claims are taken over', () => {
        const still = heldBy(fleet, { worker: 'victim' });
        return held.every((name) => !still.includes(name));
      });
      const took = Date.now() - died;
      console.log(
        `round ${round}: ${held.length} claims of the dead taken over after ${took} ms (lease + 2 cycles: ${LEASE + 2 * CYCLE} ms)`,
      );
    }
    expect((await steady.ended).status).toBe(0);
    expect(problemsWith(fleet, chains)).toEqual([]);
  });

  test('SIGSTOP for three leases, then SIGCONT: it finds its lease broken, and starts anew', async () => {
    await using fleet = new Fleet();
    submitChains(fleet.dir, chains);
    const steady = fleet.worker('steady', FLAGS);
    const sleeper = fleet.worker('sleeper', FLAGS);
    await fleet.until(
      'the sleeper holds something',
      () => heldBy(fleet, { worker: 'sleeper' }).length > 0,
    );
    sleeper.kill('SIGSTOP');
    const since = Date.now();
    await fleet.until('three leases have passed', () => Date.now() - since > 3 * LEASE);
    expect(heldBy(fleet, { worker: 'sleeper' })).toEqual([]);
    sleeper.kill('SIGCONT');
    const [first, second] = await Promise.all([steady.ended, sleeper.ended]);
    expect([first.status, second.status]).toEqual([0, 0]);
    expect(second.stderr).toContain('starting a new session');
    expect(problemsWith(fleet, chains)).toEqual([]);
  });

  test('a worker whose clock is five seconds off works in the same phases as the others', async () => {
    await using fleet = new Fleet();
    submitChains(fleet.dir, chains);
    const steady = fleet.worker('steady', FLAGS);
    const fast = fleet.worker('fast', FLAGS, skewedBy('+5s'));
    const [first, second] = await Promise.all([steady.ended, fast.ended]);
    expect([first.status, second.status]).toEqual([0, 0]);
    expect(problemsWith(fleet, chains)).toEqual([]);
    const journal = fleet.journal();
    expect(new Set(journal.map((entry) => entry.worker))).toEqual(new Set(['steady', 'fast']));
    // I6: nobody crashed, so every step was ticked once.
    expect(journal.length).toBe(expectedStates(chains).length);
  });
});
