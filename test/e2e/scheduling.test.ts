/** Real workers share long commands evenly, and do not wait for what another program has left behind. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Fleet } from '../fleet.ts';

const SECONDS = 3;
const [WORKERS, SLOTS] = [2, 2];
const QUIET = ['--log-format', 'json', '--no-fsync'];

test('twice as many equal commands as slots take two rounds, not three', async () => {
  await using fleet = new Fleet();
  const machines = join(fleet.dir, '.wait.json');
  const config = {
    name: 'wait',
    starting_state: 'wait',
    activities: { wait: { run: `sleep ${SECONDS}` } },
  };
  writeFileSync(machines, JSON.stringify(config));
  const count = 2 * WORKERS * SLOTS;
  for (let index = 0; index < count; index += 1)
    fleet.put(`s${index}.state`, { machine: 'wait', state: 'wait' });
  const options = ['--machines', machines, '--concurrency', String(SLOTS), ...QUIET];
  const up = fleet.command('up', '--workers', String(WORKERS), ...options);
  expect(await up.ended).toMatchObject({ status: 0 });
  const steps = fleet
    .journal()
    .map(({ started, duration }) => ({ began: Date.parse(started), duration }))
    .toSorted((one, other) => one.began - other.began);
  expect(steps).toHaveLength(count);
  // A third wave would begin after two steps, one after the other; on a slow machine both take longer.
  const [first, last] = [steps[0]!, steps.at(-1)!];
  const longest = Math.max(...steps.map(({ duration }) => duration));
  expect(last.began - first.began).toBeLessThan(2 * longest);
  const workers = fleet.journal().map(({ worker }) => worker);
  const counts = [...new Set(workers)].map((name) => workers.filter((one) => one === name).length);
  expect(counts).toEqual([count / WORKERS, count / WORKERS]);
});

test('a foreign flag in workers/ that claims nothing does not block states', async () => {
  await using fleet = new Fleet();
  mkdirSync(join(fleet.dir, 'workers'));
  fleet.put('workers/0-left', '');
  fleet.put('x.state', { state: 'countdown', payload: { count: 2 } });
  const options = ['--assign', 'zip', '--no-follow', '--example-delay', '0', ...QUIET];
  const { status, stderr } = await fleet.worker('ours', options).ended;
  expect([status, fleet.list('done')]).toEqual([0, ['x.state', 'x.state-1']]);
  expect(stderr.match(/the flag 0-left in workers/g)).toHaveLength(1);
});
