/** The plain case, twenty times: a fleet that is fair once may have been lucky. */
import { expect, test } from 'vitest';
import { expectCleanVolume, expectEvenSpread, submitSimple } from '../flock.ts';
import { Fleet } from '../fleet.ts';

const NAMES = ['ant', 'bee', 'cat', 'dog'];

test.each(Array.from({ length: 20 }, (_, index) => index + 1))(
  'run %d: 200 states among four workers, each ticked exactly once, spread within ten percent',
  async () => {
    await using fleet = new Fleet();
    const workers = NAMES.map((name) => fleet.worker(name, ['--watch', '--example-delay', '0']));
    await fleet.until('all are registered', () => fleet.list('workers').length === NAMES.length);
    submitSimple(fleet, 200);
    await fleet.until('all are done', () => fleet.list('done').length === 200);
    await fleet.until('claims are released', () => fleet.list('in_progress').length === 0);
    for (const worker of workers) worker.kill('SIGTERM');
    await Promise.all(workers.map((worker) => worker.ended));
    const journal = fleet.journal();
    expect(journal.map(({ state }) => state).sort()).toEqual(fleet.list('done'));
    expect(journal.every(({ result }) => result === 'done')).toBe(true);
    const shares = NAMES.map((name) => journal.filter(({ worker }) => worker === name).length);
    console.log(`spread: ${shares.join(' ')}`);
    expectEvenSpread(journal, NAMES, 0.1);
    expectCleanVolume(fleet);
  },
);
