/** Worker processes that are killed, stopped and lied to about the time. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Fleet } from '../fleet.ts';

const LEASE = 2000;
const CYCLE = 1000;
const FLAGS = ['--lease', `${LEASE}ms`, '--example-delay', '0.2', '--concurrency', '2'];
const INSTANCES = 40;
const COUNT = 3;

function submitCountdowns(fleet: Fleet): void {
  for (let index = 0; index < INSTANCES; index += 1) {
    fleet.put(`c${index}.state`, { state: 'countdown', payload: { count: COUNT } });
  }
}

const expectedStates = (): string[] =>
  Array.from({ length: INSTANCES }, (_, index) => [
    `c${index}.state`,
    ...Array.from({ length: COUNT - 1 }, (_step, step) => `c${index}.state-${step + 1}`),
  ])
    .flat()
    .sort();

/** Nothing lost, nothing made up, one commit a state, nothing left behind by whoever is gone. */
function expectWhole(fleet: Fleet): void {
  const expected = expectedStates();
  expect(fleet.list('done')).toEqual(expected);
  expect(fleet.list('failed')).toEqual([]);
  expect(fleet.list('in_progress')).toEqual([]);
  expect(fleet.list('.').filter((name) => name.includes('.state'))).toEqual(expected);
  const committed = fleet.journal().filter((entry) => entry.result === 'done');
  expect(new Set(committed.map((entry) => entry.state)).size).toBe(committed.length);
  for (const name of expected) {
    const { payload } = JSON.parse(fleet.read(name)) as { payload: { count: number } };
    const step = Number(name.split('state-')[1] ?? 0);
    expect(payload.count).toBe(COUNT - step);
  }
}

const holder = (fleet: Fleet, worker: string): string[] =>
  fleet.list('in_progress').filter((name) => {
    try {
      return (JSON.parse(fleet.read('in_progress', name)) as { worker: string }).worker === worker;
    } catch {
      return false;
    }
  });

describe('whatever happens to a worker, the others finish everything', () => {
  test('kill -9, again and again, the dead coming back under their names', async () => {
    await using fleet = new Fleet();
    submitCountdowns(fleet);
    const steady = fleet.worker('steady', FLAGS);
    for (let round = 0; round < 4; round += 1) {
      const victim = fleet.worker('victim', FLAGS);
      await fleet.until(
        'the victim holds something, or all is done',
        () =>
          holder(fleet, 'victim').length > 0 ||
          fleet.list('done').length === expectedStates().length,
      );
      victim.kill('SIGKILL');
      const died = Date.now();
      await victim.ended;
      const held = holder(fleet, 'victim');
      await fleet.until('its claims are taken over', () => {
        const still = holder(fleet, 'victim');
        return held.every((name) => !still.includes(name));
      });
      const took = Date.now() - died;
      console.log(
        `round ${round}: ${held.length} claims of the dead taken over after ${took} ms (lease + 2 cycles: ${LEASE + 2 * CYCLE} ms)`,
      );
    }
    expect((await steady.ended).status).toBe(0);
    expectWhole(fleet);
  });

  test('SIGSTOP for three leases, then SIGCONT: it finds its lease broken, and starts anew', async () => {
    await using fleet = new Fleet();
    submitCountdowns(fleet);
    const steady = fleet.worker('steady', FLAGS);
    const sleeper = fleet.worker('sleeper', FLAGS);
    await fleet.until('the sleeper holds something', () => holder(fleet, 'sleeper').length > 0);
    sleeper.kill('SIGSTOP');
    const since = Date.now();
    await fleet.until('three leases have passed', () => Date.now() - since > 3 * LEASE);
    expect(holder(fleet, 'sleeper')).toEqual([]);
    sleeper.kill('SIGCONT');
    const [first, second] = await Promise.all([steady.ended, sleeper.ended]);
    expect([first.status, second.status]).toEqual([0, 0]);
    expect(second.stderr).toContain('starting a new session');
    expectWhole(fleet);
  });

  test('a worker whose clock is five seconds off works in the same phases as the others', async () => {
    const library = findLibfaketime();
    await using fleet = new Fleet();
    submitCountdowns(fleet);
    const steady = fleet.worker('steady', FLAGS);
    const fast = fleet.worker('fast', FLAGS, {
      LD_PRELOAD: library,
      FAKETIME: '+5s',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    });
    const [first, second] = await Promise.all([steady.ended, fast.ended]);
    expect([first.status, second.status]).toEqual([0, 0]);
    expectWhole(fleet);
    const journal = fleet.journal();
    expect(new Set(journal.map((entry) => entry.worker))).toEqual(new Set(['steady', 'fast']));
    // I6: nobody crashed, so every step was ticked once.
    expect(journal.length).toBe(expectedStates().length);
  });
});

function findLibfaketime(): string {
  const found = readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketime.so.1`)
    .find((path) => existsSync(path));
  if (found === undefined)
    throw new Error("libfaketime is missing: install Debian's package faketime");
  return found;
}
