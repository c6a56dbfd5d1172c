/** Four worker processes and 200 states: the plain case, for real. */
import { expect, test } from 'vitest';
import { Fleet } from '../fleet.ts';
import { expectCleanVolume, expectEvenSpread, submitSimple } from '../flock.ts';

const NAMES = ['ant', 'bee', 'cat', 'dog'];

test('200 states among four workers: each done, ticked exactly once, evenly spread', async () => {
  await using fleet = new Fleet();
  const workers = NAMES.map((name) => fleet.worker(name, ['--watch', '--example-delay', '0']));
  await fleet.until('all are registered', () => fleet.list('workers').length === NAMES.length);
  submitSimple(fleet, 200);
  await fleet.until('all are done', () => fleet.list('done').length === 200);
  await fleet.until('claims are released', () => fleet.list('in_progress').length === 0);
  for (const worker of workers) worker.kill('SIGTERM');
  for (const { status } of await Promise.all(workers.map((worker) => worker.ended))) {
    expect(status).toBe(0);
  }
  const journal = fleet.journal();
  expect(journal.length).toBe(200);
  expect(new Set(journal.map((entry) => entry.state)).size).toBe(200);
  expect(journal.every((entry) => entry.result === 'done')).toBe(true);
  expectEvenSpread(journal, NAMES, 0.1);
  expectCleanVolume(fleet);
});
