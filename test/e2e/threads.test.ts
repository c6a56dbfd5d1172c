/** `--threads`: a flock whose ticks do everything to their threads that ticks can. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseCommitRecord } from '../../src/machine/record.ts';
import { expectCleanVolume } from '../clean-volume.ts';
import { Fleet, run } from '../fleet.ts';

const INDEX = join(import.meta.dirname, '../../src/index.ts');

/** Every state of it is the beginning of an instance. */
const MACHINE = `import { isMainThread } from 'node:worker_threads';
import { done, FatalError, machine, next } from '${INDEX}';
const once = { maximumAttempts: 1 };
export default machine({ name: 'm', activities: {
  chain: ({ payload }) => payload.left > 1 ? next('chain', { left: payload.left - 1 }) : done({ isMainThread }),
  hang: { tick: () => { for (;;); }, timeout: '200ms', retry: once },
  exit: { tick: () => process.exit(3), retry: once },
  heap: {
    tick: async () => {
      for (const all = []; ; await new Promise(setImmediate)) all.push(new Array(10_000).fill(1.5));
    },
    retry: once,
  },
  fatal: () => { throw new FatalError('never'); },
} });`;

const FAILED: Readonly<Record<string, string>> = {
  hang: 'timed out after 200 ms',
  exit: 'exited with code: 3',
  heap: 'memory',
  fatal: 'never',
};

function putMachines(fleet: Fleet): string {
  const folder = join(fleet.dir, '.machines');
  mkdirSync(folder);
  writeFileSync(join(folder, 'm.ts'), MACHINE);
  writeFileSync(
    join(folder, 'c.yaml'),
    `name: c\nstarting_state: c\nactivities: { c: { run: 'echo 7' } }\n`,
  );
  return folder;
}

test('up --threads 2: ended threads do not end their workers; all other states are done', async () => {
  await using fleet = new Fleet();
  const machines = putMachines(fleet);
  for (let count = 0; count < 4; count += 1)
    fleet.put(`chain${count}.state`, { state: 'chain', machine: 'm', payload: { left: 3 } });
  fleet.put('simple.state', { state: 'simple', payload: { target: 'hello' } });
  fleet.put('command.state', { state: 'c' });
  for (const state of ['hang', 'exit', 'fatal'])
    fleet.put(`${state}.state`, { state, machine: 'm' });
  const flags = ['--workers', '2', '--threads', '2', '--machines', machines];
  const up = await fleet.command('up', ...flags, '--example-delay', '0', '--json').ended;
  expect(up.status).toBe(1);
  const { left, failed } = JSON.parse(up.stdout) as {
    left: number;
    failed: { state: string; reason: string }[];
  };
  expect(left).toBe(0);
  expect(failed.map(({ state }) => state).sort()).toEqual([
    'exit.state',
    'fatal.state',
    'hang.state',
  ]);
  for (const { state, reason } of failed) expect(reason).toContain(FAILED[state.split('.')[0]!]);
  for (let count = 0; count < 4; count += 1) {
    const name = `chain${count}.state-2`;
    const record = parseCommitRecord(fleet.read('done', name), name);
    expect(record?.output).toEqual({ isMainThread: false });
  }
  expect(up.stderr).toContain('hello');
  expect(fleet.journal().filter(({ result }) => result === 'lost')).toEqual([]);
  expectCleanVolume(fleet);
});

test('a thread that runs out of memory does not end the worker', async () => {
  await using fleet = new Fleet();
  const machines = putMachines(fleet);
  fleet.put('heap.state', { state: 'heap', machine: 'm' });
  // Node ends a thread at its limit, but V8 the process once a collection finds more than 16 MB beyond it: as much
  // as one of young objects can promote, unless they have less room than that.
  const env = { NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=1' };
  const ant = fleet.worker('ant', ['--threads', '1', '--machines', machines], env);
  expect((await ant.ended).status).toBe(1);
  const { reason } = JSON.parse(fleet.read('failed', 'heap.state')) as { reason: string };
  expect(reason).toContain(FAILED['heap']);
});

test('a stopped worker releases the states of its threads, and ends', async () => {
  await using fleet = new Fleet();
  const machines = putMachines(fleet);
  fleet.put('slow.state', { state: 'slow-countdown', payload: { count: 1 } });
  const flags = [
    '--threads',
    '1',
    '--machines',
    machines,
    '--drain',
    '0s',
    '--example-delay',
    '60',
  ];
  const ant = fleet.worker('ant', flags);
  await fleet.until('it ticks', () => ant.stdout.includes('slow: 1'));
  ant.kill('SIGTERM');
  expect((await ant.ended).status).toBe(0);
  expect(fleet.list('done')).toEqual([]);
  expectCleanVolume(fleet);
});

test.each([
  ['-1', 'at least 0'],
  ['1.5', 'a whole number'],
  ['many', 'a number'],
])('refuses --threads %s', async (threads, words) => {
  await using fleet = new Fleet();
  const ran = await run('worker', '--dir', fleet.dir, `--threads=${threads}`);
  expect(ran.status).toBe(2);
  expect(ran.stderr).toContain(words);
});
