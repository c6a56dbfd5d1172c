/** Four worker processes and 200 states: the plain case, for real. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { momentAt } from '../../src/volume/phases/cycle.ts';
import { expectCleanVolume } from '../clean-volume.ts';
import { Fleet } from '../fleet.ts';

/** Writes states under hidden names; the returned function renames all of them within milliseconds. */
function prepareSimple(fleet: Fleet, count: number): () => void {
  const names = Array.from({ length: count }, (_, index) => `s${String(index).padStart(4, '0')}`);
  for (const name of names) {
    const content = JSON.stringify({ state: 'simple', payload: { target: name } });
    writeFileSync(join(fleet.dir, `.${name}`), content);
  }
  return () => {
    for (const name of names) {
      renameSync(join(fleet.dir, `.${name}`), join(fleet.dir, `${name}.state`));
    }
  };
}

function expectEvenSpread(
  journal: readonly { worker: string }[],
  names: readonly string[],
  tolerance: number,
): void {
  const fair = journal.length / names.length;
  for (const name of names) {
    const share = journal.filter((entry) => entry.worker === name).length;
    expect(Math.abs(share - fair), `${name} did ${share} of ${journal.length}`).toBeLessThanOrEqual(
      tolerance * fair,
    );
  }
}

/** Long enough that no worker misses a phase on a busy machine; the other workers would take over its share. */
const PHASES = { assignment: 500, commitment: 500, update: 800, buffer: 200 };

test('200 states among four workers: each done, ticked exactly once, evenly spread', async () => {
  const names = ['ant', 'bee', 'cat', 'dog'];
  const flags = Object.entries(PHASES).flatMap(([phase, ms]) => [`--${phase}`, `${ms}ms`]);
  await using fleet = new Fleet();
  const workers = names.map((name) =>
    fleet.worker(name, ['--watch', '--example-delay', '0', ...flags]),
  );
  await fleet.until('all are registered', () => fleet.list('workers').length === names.length);
  const submit = prepareSimple(fleet, 200);
  // Not while workers list the directory: different snapshots give different shares.
  await fleet.until('it is early in Update System', isEarlyInUpdate);
  submit();
  await fleet.until('all are done', () => fleet.list('done').length === 200);
  await fleet.until('claims are released', () => fleet.list('in_progress').length === 0);
  for (const worker of workers) worker.kill('SIGTERM');
  const ended = await Promise.all(workers.map((worker) => worker.ended));
  expect(ended.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  const journal = fleet.journal();
  expect(journal.map(({ state }) => state).sort()).toEqual(fleet.list('done'));
  expect(journal.every(({ result }) => result === 'done')).toBe(true);
  // A worker that misses a phase on a busy machine leaves its share to the others.
  expectEvenSpread(journal, names, 0.5);
  expectCleanVolume(fleet);
});

function isEarlyInUpdate(): boolean {
  const now = Date.now();
  const { phase, start } = momentAt(PHASES, now);
  return phase === 'update' && now - start < PHASES.update / 2;
}
